"""The treatments: one class each, with everything that is to be said about it."""
