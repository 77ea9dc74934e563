"""Bytes in, bytes out: files, Kafka, the lake, keys, the opt-out list, geo. Only this room opens anything."""
