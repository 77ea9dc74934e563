"""Logs that people already have: declared formats, from lines to the raw fields of an event."""
