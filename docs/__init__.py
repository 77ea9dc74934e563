"""The documentation, as package data: the installed package reads `operations.md` from here."""
