"""What `telemetry init` proposes for logs that nobody has described yet."""
