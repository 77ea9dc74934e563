"""Sources that are files: what there is to read, and how far it has been read."""
