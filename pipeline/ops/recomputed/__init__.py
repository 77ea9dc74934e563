"""Published figures and counts, recomputed from rows and log, and compared."""
