"""Pseudonyms: keyed tokens of one epoch, fingerprints of messages."""
