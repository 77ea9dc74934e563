"""Who asked for what, and the proof that it was done."""
