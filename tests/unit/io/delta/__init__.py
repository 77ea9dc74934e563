"""Tests of the files of a Delta log."""
