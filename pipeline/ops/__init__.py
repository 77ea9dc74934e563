"""Actions on stored data: seal, expire, erase, export, rollup, audit."""
