"""Realistic lines of every packaged format, with what each of them means."""
