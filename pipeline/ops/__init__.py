"""Actions on stored data: seal, expire, erase, export, roll up, audit."""
