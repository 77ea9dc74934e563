"""The pipeline on a real Flink cluster: see tests/integration/services/flink.py."""
