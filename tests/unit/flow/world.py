"""A run in memory: a source of given lines, a lake that remembers, fixed keys and lists."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial

import numpy as np
import pyarrow as pa

from pipeline.errors import OptOutStale, PositionConflict, SliceExpired, TelemetryError
from pipeline.events.model import CleanBatch, Reason, Slice, Span, Stage
from pipeline.events.schema import EventSchema
from pipeline.flow.ports import FixedClock, Ports
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.io.source import Clock, Pace, Positions, Shard, Source
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.optout import OptOutState
from pipeline.privacy.policy import Policy

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EVENT = "api_request"


def event(number: int, **fields: object) -> bytes:
    """A message that is stored, unless `fields` make it otherwise."""
    values = {
        "event": EVENT,
        "version": 1,
        "event_id": f"e{number}",
        "occurred_at": "2026-11-24T11:00:00Z",
        "account_id": f"acct_{number}",
    }
    return json.dumps({**values, **fields}).encode()


@dataclass
class MemoryTable:
    """The rows of commits, and positions; refuses what a lake refuses."""

    position_of: dict[str, int] = field(default_factory=dict)
    batches: list[CleanBatch] = field(default_factory=list)
    before_commit: Callable[[CleanBatch], None] = lambda batch: None
    refused: MemoryRejections = field(default_factory=lambda: MemoryRejections())
    commits: tuple[MemoryCommit, ...] = ()
    told: list[Mapping[str, object]] = field(default_factory=list)
    """What each commit was told to record."""

    def position(self, app_id: str) -> int | None:
        return self.position_of.get(app_id)

    def positions(self, app_ids: Sequence[str]) -> list[int | None]:
        return [self.position(app_id) for app_id in app_ids]

    def commit(
        self, batch: CleanBatch, *, metadata: Mapping[str, object] | None = None
    ) -> MemoryCommitted:
        self.before_commit(batch)
        span = batch.span
        if self.position_of.get(span.app_id, 0) != span.start:
            raise PositionConflict("the lake does not stand where this slice starts")
        self.position_of[span.app_id] = span.stop
        self.batches.append(batch)
        self.told.append(metadata or {})
        self.refused.record(batch)
        return MemoryCommitted(1, batch.rows.num_rows, 1)

    def history_since(self, version: int) -> tuple[int, tuple[MemoryCommit, ...]]:
        return len(self.commits) - 1, self.commits[version:]

    @property
    def rows(self) -> int:
        return sum(batch.rows.num_rows for batch in self.batches)


@dataclass(frozen=True)
class MemoryCommit:
    account: Mapping[str, object]


@dataclass(frozen=True)
class MemoryCommitted:
    files: int
    rows: int
    bytes: int
    commit_ns: int = 1


@dataclass
class MemoryRejections:
    """What was refused, by offset."""

    reasons: dict[tuple[str, int], tuple[Stage, Reason]] = field(default_factory=dict)
    prepared: dict[str, CleanBatch] = field(default_factory=dict)

    def prepare(self, batch: CleanBatch, now: datetime) -> int:
        self.prepared[batch.span.app_id] = batch
        return int(batch.rejected.num_rows)

    def record(self, batch: CleanBatch) -> None:
        """What the commit of a batch's events does with what was prepared for it."""
        for row in self.prepared.pop(batch.span.app_id).rejected.to_pylist():
            place = (batch.span.app_id, row["offset"])
            assert place not in self.reasons
            self.reasons[place] = (Stage(row["stage"]), Reason(row["reason"]))


@dataclass
class MemoryLake:
    tables: dict[str, MemoryTable] = field(default_factory=dict)
    refused: MemoryRejections = field(default_factory=MemoryRejections)
    closed: int = 0

    def events(self, event: str, schema: pa.Schema) -> MemoryTable:
        return self.tables.setdefault(event, MemoryTable(refused=self.refused))

    def rejections(self) -> MemoryRejections:
        return self.refused

    def recover(self) -> int:
        return 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class MemoryOptOut:
    fail_after: int | None = None
    asked: int = 0
    state: OptOutState = field(default_factory=OptOutState)

    def load(self) -> OptOutState:
        return self.refresh(NOW)

    def age(self, now: datetime) -> timedelta | None:
        return timedelta(0)

    def refresh(self, now: datetime) -> OptOutState:
        self.asked += 1
        if self.fail_after is not None and self.asked > self.fail_after:
            raise OptOutStale("the opt-out list is too old", remedy="Look at its source.")
        return self.state


class FixedKeys:
    def epoch_key(self, epoch: Epoch) -> bytes | None:
        return bytes(32)

    def permanent_key(self, name: str) -> bytes:
        return bytes(32)


@dataclass
class MemoryReader:
    """Reads a list of lines, a few at a time; positions are line numbers."""

    name: str
    event: str
    lines: Sequence[bytes]
    size: int
    positions: Positions
    at: int | None = None
    calls: list[str] = field(default_factory=list)

    def poll(self, wait: float) -> Slice | None:
        if self.at is None:
            self.at = self.positions([f"memory/{self.name}/0"])[0] or 0
        taken = self.lines[self.at : self.at + self.size]
        if not taken:
            return None
        span = Span("memory", self.name, 0, self.at, self.at + len(taken))
        return slice_of(taken, span, self.event)

    def committed(self, span: Span) -> None:
        self.calls.append("committed")
        self.at = span.stop

    def forget(self) -> None:
        self.calls.append("forget")
        self.at = None

    def flush(self) -> None:
        self.calls.append("flush")

    def at_end(self) -> bool:
        return self.at == len(self.lines)

    def is_known(self) -> bool:
        return self.positions([f"memory/{self.name}/0"])[0] is not None

    def lag(self) -> int:
        return len(self.lines) - (self.at or 0)

    def close(self) -> None:
        self.calls.append("close")


@dataclass(frozen=True)
class MemorySource:
    name: str
    event: str
    lines: tuple[bytes, ...]
    size: int = 10

    def shards(self, workers: int) -> list[Shard]:
        return [Shard(self.name, 0, 1)]

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> MemoryReader:
        return MemoryReader(self.name, self.event, self.lines, self.size, positions)


def slice_of(lines: Sequence[bytes], span: Span | None = None, event: str = EVENT) -> Slice:
    span = span or Span("memory", "lines", 0, 0, len(lines))
    data = b"".join(line + b"\n" for line in lines)
    ends = np.cumsum([len(line) + 1 for line in lines], dtype=np.int64) - 1
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(lines) else ends
    return Slice(span, event, data, starts, ends, span.start + np.arange(len(lines)))


_LAKES: dict[int, MemoryLake] = {}
_LISTS: dict[int, MemoryOptOut] = {}
_NUMBERS = itertools.count()


@dataclass
class World:
    """The parts of one run that tests look at and tamper with."""

    ports: Ports
    lake: MemoryLake
    optout: MemoryOptOut


def world(*sources: Source, **changes: object) -> World:
    """Ports around `sources` that read to the end, and what is behind them."""
    number = next(_NUMBERS)
    lake, optout = MemoryLake(), MemoryOptOut()
    _LAKES[number], _LISTS[number] = lake, optout
    ports = Ports(
        sources=sources,
        schemas=schemas,
        catalogue=load_catalogue,
        keys=FixedKeys,
        optout=partial(_list, number),
        country=_country,
        lake=partial(_lake, number),
        policy=Policy(),
        pace=Pace(to_end=True),
        clock=FixedClock(NOW),
        entropy=in_order,
    )
    return World(replace(ports, **changes), lake, optout)  # type: ignore[arg-type]


def in_order(size: int) -> bytes:
    """Sort keys that leave rows as they came, in place of random ones."""
    return np.arange(size // 8, dtype=np.uint64).tobytes()


def failing(error: TelemetryError) -> Callable[[CleanBatch], None]:
    def fail(batch: CleanBatch) -> None:
        raise error

    return fail


def expiring_once() -> Callable[[CleanBatch], None]:
    """Refuse the first commit as too old, and none after it."""
    calls = itertools.count()

    def check(batch: CleanBatch) -> None:
        if next(calls) == 0:
            raise SliceExpired("the slice was staged too long ago")

    return check


@cache
def schemas() -> Mapping[str, tuple[EventSchema, ...]]:
    """The packaged schemas, read once."""
    return load_schemas()


def _lake(number: int) -> MemoryLake:
    return _LAKES[number]


def _list(number: int) -> MemoryOptOut:
    return _LISTS[number]


class _Country:
    def __call__(self, network: str) -> str:
        return "ZZ"


def _country() -> _Country:
    return _Country()
