"""Batches, keys and settings for the tests of the privacy stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.events.model import OFFSET, SIZE, CleanBatch, RawBatch, Span
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.policy import Policy

SCHEMAS = load_schemas()
CATALOGUE = load_catalogue()
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = bytes(range(32))
SPAN = Span("test", "topic", 0, 0, 1_000_000)
FIXTURES = Path(__file__).parent / "unit" / "privacy" / "fixtures"
TIMES = {"session": "started_at"}


class MemoryKeys:
    """Keys held in memory: a fixed one for every epoch that is not destroyed."""

    def __init__(self, destroyed: Sequence[str] = ()) -> None:
        self.destroyed = set(destroyed)
        self.asked: list[str] = []
        self.salt = b""

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """A key that differs from epoch to epoch."""
        self.asked.append(epoch.name)
        return None if epoch.name in self.destroyed else KEY + self.salt + epoch.name.encode()


def nowhere(network: str) -> str:
    """A country for every network, told by its first character."""
    return "DE" if network[0] in "12" else "US"


def anonymizer(policy: Policy | None = None, keys: MemoryKeys | None = None) -> Anonymizer:
    """An anonymizer over the packaged schemas and catalogue."""
    return Anonymizer(SCHEMAS, CATALOGUE, keys or MemoryKeys(), nowhere, policy or Policy())


def raw_batch(event: str, rows: Sequence[Mapping[str, Any]]) -> RawBatch:
    """A raw batch of these rows; what every event needs is filled in."""
    schema = SCHEMAS[event][-1].raw
    time_field = TIMES.get(event, "occurred_at")
    filled = [
        {
            "event": event,
            "version": 1,
            "event_id": f"event-{number}",
            time_field: NOW,
            "session_id": f"session-{number}" if event == "session" else None,
            OFFSET: number * 100,
            SIZE: 99,
            **row,
        }
        for number, row in enumerate(rows)
    ]
    batch = pa.RecordBatch.from_pylist(filled, schema=schema)
    return RawBatch(SPAN, event, len(rows), batch)


@lru_cache(maxsize=8)
def shared(policy: Policy) -> Anonymizer:
    """One anonymizer for all tests of a policy: building the agent parser takes a while."""
    return anonymizer(policy)


def anonymize(
    event: str, rows: Sequence[Mapping[str, Any]], policy: Policy | None = None
) -> CleanBatch:
    """The clean batch of these rows."""
    return shared(policy or Policy()).anonymize(raw_batch(event, rows), NOW)


def stored(event: str, field: str, values: Sequence[Any], column: str) -> list[Any]:
    """What a column holds when a raw field has these values."""
    clean = anonymize(event, [{field: value} for value in values])
    found: list[Any] = clean.rows.column(column).to_pylist()
    return found


def fixture(name: str) -> Iterator[list[Any]]:
    """The rows of a table of examples: tab-separated JSON values, `#` begins a comment."""
    for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [json.loads(cell) for cell in line.split("\t")]


def buffers_of(batch: pa.RecordBatch) -> bytes:
    """Every byte that the batch's arrays hold on to, whether a row shows it or not."""
    found = []
    pending = list(batch.columns)
    while pending:
        column = pending.pop()
        found += [buffer.to_pybytes() for buffer in column.buffers() if buffer is not None]
        if pa.types.is_dictionary(column.type):
            pending.append(column.dictionary)
    return b"\n".join(found)
