"""Keys in a folder of another disk: the example of `docs/extending-ports.md`."""
