"""Small lakes for tests: three columns, and batches whose rows tell where they are from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from pipeline.errors import PositionConflict, RewriteConflict, SliceExpired
from pipeline.events.model import NONE_REJECTED, REJECTED, CleanBatch, Span
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.orphans import SWEEP_AFTER_SECONDS
from pipeline.io.lake.storage import ObjectStorage, Storage
from pipeline.io.lake.table import StoredTable

EVENT = "api_request"
NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
DAYS = (date(2026, 11, 23), date(2026, 11, 24))
SCHEMA = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False, metadata={"comment": "UTC day"}),
        pa.field("event_hour", pa.int8(), nullable=False, metadata={"unit": "hour"}),
        pa.field("subject", pa.string(), metadata={"sensitivity": "identifying", "since": "1"}),
    ]
)


def span(start: int, stop: int, topic: str = "abc") -> Span:
    return Span("file", topic, 0, start, stop)


def app_id(topic: str = "abc") -> str:
    return f"file/{topic}/0"


def batch(start: int, stop: int, topic: str = "abc", rejected: tuple[int, ...] = ()) -> CleanBatch:
    """One message per offset; the subject of a row is its topic and offset."""
    kept = [offset for offset in range(start, stop) if offset not in rejected]
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array([DAYS[offset % 2] for offset in kept], pa.date32()),
            pa.array([offset % 24 for offset in kept], pa.int8()),
            pa.array([f"{topic}-{offset}" for offset in kept], pa.string()),
        ],
        schema=SCHEMA,
    )
    refused = [
        {"offset": offset, "size": 700, "stage": "decode", "reason": "not_json"}
        for offset in rejected
    ]
    return CleanBatch(
        span(start, stop, topic),
        EVENT,
        stop - start,
        rows,
        pa.RecordBatch.from_pylist(refused, schema=REJECTED) if refused else NONE_REJECTED,
    )


def passed_over(start: int, stop: int) -> CleanBatch:
    """Offsets of which no row is stored, as a gap is recorded."""
    return CleanBatch(span(start, stop), EVENT, 0, pa.RecordBatch.from_pylist([], schema=SCHEMA))


def table_of(lake: Lake) -> EventTable:
    return lake.events(EVENT, SCHEMA)


def globbed(root: Path) -> list[str]:
    """Subjects as a reader sees them that knows nothing of the log."""
    folder = root / "events" / EVENT
    files = sorted(str(path) for path in folder.glob("event_date=*/*.parquet"))
    if not files:
        return []
    rows = ds.dataset(files, format="parquet").to_table(columns=["subject"])
    return sorted(rows["subject"].to_pylist())


def logged(lake: Lake) -> list[str]:
    """Subjects as the log's snapshot has them."""
    table = table_of(lake)
    found: list[str] = []
    for file in table.snapshot().files:
        found += table.storage.read(file.path, ["subject"])["subject"].to_pylist()
    return sorted(found)


def expected(start: int, stop: int, topic: str = "abc") -> list[str]:
    return sorted(f"{topic}-{offset}" for offset in range(start, stop))


@contextmanager
def an_hour_later() -> Iterator[None]:
    """Let object stores say that it is later than a sweep waits; no other clock tells."""
    with pytest.MonkeyPatch.context() as patch:
        later = SWEEP_AFTER_SECONDS + 60
        patch.setattr(ObjectStorage, "clock", lambda _: time.time() + later)
        yield


class Meddling:
    """A table's storage that lets something happen just before files get their final names."""

    def __init__(self, storage: Storage, meddle: Callable[[], object]) -> None:
        self._storage, self._meddle = storage, meddle

    def reveal(self, names: Iterable[tuple[str, str]]) -> None:
        self._meddle()
        self._storage.reveal(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


T = TypeVar("T", bound=StoredTable)


def meddled(table: T, meddle: Callable[[], object]) -> T:
    return replace(table, storage=cast(Storage, Meddling(table.storage, meddle)))


def files_of(root: Path) -> list[str]:
    """Every file outside the logs, relative to the lake."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and "_delta_log" not in path.parts
    )


def race_of_three(opened: Callable[[], Lake], stop: int) -> int:
    """Let three writers read one source up to `stop`; returns how many commits were refused."""
    refused: list[int] = []

    def write() -> None:
        table = table_of(opened())
        while (position := table.position(app_id()) or 0) < stop:
            try:
                table.commit(batch(position, position + 5))
            except (PositionConflict, RewriteConflict, SliceExpired):
                refused.append(1)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    return len(refused)
