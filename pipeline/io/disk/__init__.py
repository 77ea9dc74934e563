"""Durable local files: locks, private files, atomic writes, logs that are only appended to."""
