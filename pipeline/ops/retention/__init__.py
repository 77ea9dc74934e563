"""Closed days are sealed (compacted), and old ones expire."""
