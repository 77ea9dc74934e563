"""Bytes in, bytes out: files, Kafka, the lake, keys, opt-outs, geo. Only this room opens them."""
