"""The treatments: one class each, with everything there is to say about it."""
