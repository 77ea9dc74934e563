"""Everything that the graph needs from outside, as one picklable value.

A port is either a value or an `Opener`: a picklable callable without arguments (mostly a
`functools.partial` of a class of `pipeline.io`) that a worker process calls once, when it first
needs the thing. Nothing is opened where the ports are built, and no key travels with them.
The protocols say what the graph uses, so that it also runs on things held in memory.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

import pyarrow as pa

from pipeline.events.catalogue import Catalogue
from pipeline.events.formats.model import Format
from pipeline.events.model import NATIVE, CleanBatch
from pipeline.events.schema import EventSchema
from pipeline.events.wire.model import Readers
from pipeline.flow.metrics_endpoint import Endpoint
from pipeline.flow.otlp_collector import Collector
from pipeline.io.source import Pace, Source
from pipeline.privacy.identity.epochs import Epoch
from pipeline.privacy.optout import OptOutState
from pipeline.privacy.policy import Policy

T_co = TypeVar("T_co", covariant=True)

WallClock = Callable[[], datetime]
"""Now, in UTC. Picklable; fixed by `--now`."""


def utc_now() -> datetime:
    """Return the time of this machine, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still: for `--now`, drills and tests."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


class Opener(Protocol[T_co]):
    """A picklable description of something that a worker opens."""

    def __call__(self) -> T_co: ...


class CommitRecord(Protocol):
    """One commit of the log."""

    @property
    def account(self) -> Mapping[str, object]:
        """Its metadata, and what became of its messages; empty if it was not a slice's."""


class Committed(Protocol):
    """What one commit added to a table."""

    @property
    def files(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def commit_ns(self) -> int:
        """How many nanoseconds the commit itself took, out of the whole."""


class EventTable(Protocol):
    """One event's table: rows and source positions in one log."""

    def position(self, app_id: str) -> int | None:
        """Return the next position of an app id, with the log reloaded; None if unknown."""

    def positions(self, app_ids: Sequence[str]) -> Sequence[int | None]:
        """Return several of them, and marks beside them, as they stood at one moment."""

    def commit(
        self, batch: CleanBatch, *, metadata: Mapping[str, object] | None = None
    ) -> Committed:
        """Add the rows and move the position from `span.start` to `span.stop`, both or neither.

        Raises `PositionConflict`, `SliceExpired` or another `LakeError`; then nothing was added.
        """

    def history_since(self, version: int) -> tuple[int, Sequence[CommitRecord]]:
        """Return the log's version (-1: no log) and its commits from `version` on, oldest first.

        The log holds those of at least two days.
        """


class RejectionTable(Protocol):
    """Coordinates and reasons of messages that were refused."""

    def prepare(self, batch: CleanBatch, now: datetime) -> int:
        """Write the batch's rejections, and return how many there are.

        The commit of the batch's events decides: it records them, or drops them with the rest.
        Raises `LakeError` or `EnvironmentProblem`.
        """


class Lake(Protocol):
    """The tables of one lake."""

    def events(self, event: str, schema: pa.Schema) -> EventTable: ...
    def rejections(self) -> RejectionTable: ...

    def recover(self) -> int:
        """Remove what crashed writers left behind; called before anything is read."""

    def close(self) -> None: ...


class Keystore(Protocol):
    """Keys by purpose; see `pipeline.io.keys.keystore`."""

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """Return an epoch's key, None if it was destroyed; raises `KeyUnavailable`."""

    def permanent_key(self, name: str) -> bytes:
        """Return the key named "optout" or "files", made at first use."""


class OptOutSource(Protocol):
    """The list of people whose events are not taken."""

    def load(self) -> OptOutState:
        """Read the list to its end as of now; raises `OptOutStale`."""

    def refresh(self, now: datetime) -> OptOutState:
        """Return the list's state, brought up to date; raises `OptOutStale`."""

    def age(self, now: datetime) -> timedelta | None:
        """Return how old this state of the list is; None if it was never read."""


class Country(Protocol):
    """Country of a truncated network."""

    def __call__(self, network: str) -> str:
        """Return an ISO 3166 alpha-2 code, `ZZ` if unknown."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Which of a run's processes this is."""

    index: int | None
    """0 up to `count - 1`; None if a runner places the shards, and our processes are unknown."""
    count: int


@dataclass(frozen=True, slots=True)
class Ports:
    """What one run reads, knows and writes."""

    sources: tuple[Source, ...]
    schemas: Opener[Mapping[str, tuple[EventSchema, ...]]]
    catalogue: Opener[Catalogue]
    keys: Opener[Keystore]
    optout: Opener[OptOutSource]
    country: Opener[Country]
    lake: Opener[Lake]
    formats: Mapping[str, Format] = field(default_factory=dict)
    """By source: the format of its messages, where they are not an event's own JSON."""
    registries: Mapping[str, Opener[Readers]] = field(default_factory=dict)
    """By source: the schema registry whose schemas its messages are written with, if any."""
    policy: Policy = field(default_factory=Policy)
    pace: Pace = field(default_factory=Pace)
    clock: WallClock = utc_now
    clock_is_right: bool = False
    """Somebody has looked: messages ahead of the clock are rejected, even if most are."""
    input_is_right: bool = False
    """Somebody has looked: a new source continues past what is rejected, even if all of it is."""
    seat: Seat = Seat(0, 1)
    metrics: Endpoint | None = None
    """Where this process serves its metrics; see `Seat` for whose process it is."""
    collector: Collector | None = None
    """Where metrics and traces are sent, if anywhere."""
    entropy: Callable[[int], bytes] = os.urandom
    """Random bytes that decide how rows are shuffled."""
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names the run in commit metadata; processes of one run share it."""

    def format_name(self, source: str) -> str:
        """Return the name of the format of a source's messages: one of its own with a registry."""
        found = self.formats.get(source)
        name = NATIVE if found is None else found.name
        return f"{name} of registry {source}" if source in self.registries else name
