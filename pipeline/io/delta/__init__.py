"""The files of a Delta log, below what delta-rs offers: whole or torn, durable or not."""
