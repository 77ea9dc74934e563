"""What a run tells a kind of source, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.source_kind import Around


def around(state: Path, header: bytes = b"") -> Around:
    return Around("logs", "session", state, _key, _access, read_committed=True, header=header)


def _key(name: str) -> bytes:
    return name.encode()


def _access(servers: Sequence[str]) -> KafkaAccess:
    return KafkaAccess(tuple(servers))
