"""An outbox table in SQLite, as a source: the example of `docs/extending-ports.md`."""
