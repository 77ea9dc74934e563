"""Every test of this folder runs with the native kernel and without it."""

from tests.both_ways import decoder_in_use

__all__ = ["decoder_in_use"]
