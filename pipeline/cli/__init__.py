"""Words in, exit code out: the `telemetry` command, and the only room that prints."""
