"""Measurements behind the README's claims; rerun them with `make bench`. Nothing here is a test."""
