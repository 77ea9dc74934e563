"""A schema registry, as far as a reader of messages needs one."""
