"""The secret managers that a reference may name, one module each: from its name to its text."""
