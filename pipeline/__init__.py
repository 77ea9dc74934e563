"""Usage telemetry pipeline with anonymization inside the streaming engine's first fused stage."""

__version__ = "0.2.0"
