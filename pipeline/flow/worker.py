"""What one process has opened for one run, and what it has to say at the end.

Stages find it by the run's id, so all stages of a process share one keystore, one opt-out list,
one lake and one set of sessions. In a process of ours a failure is kept here, the graph runs dry
and `flow.runners` raises it; on another runner it is raised through Beam, without content.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from pipeline import metrics as declared
from pipeline.errors import OptOutPaused, TelemetryError
from pipeline.events.decode import Decoder
from pipeline.events.model import CleanBatch, Slice, Span
from pipeline.events.schema import EventSchema
from pipeline.flow.endpoint import serve_somewhere
from pipeline.flow.guard import guarded
from pipeline.flow.ports import (
    Committed,
    EventTable,
    Lake,
    OptOutSource,
    Ports,
    RejectionTable,
)
from pipeline.flow.report import Tally, tally_of
from pipeline.flow.sessions import Sessions, Turn
from pipeline.io.source import Shard, Source
from pipeline.metrics import Metrics
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.optout import OptOutGate, OptOutState

LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class Passage:
    """A slice on its way from Read to Write."""

    began: float
    size: int
    newest: datetime | None = None
    """Time of its newest event."""
    landed: bool = False
    """Whether it is in the lake; if not, its reader has to start again from there."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """What the stages need for one event."""

    schema: EventSchema
    decoder: Decoder
    table: EventTable


class Worker:
    """The process's share in a run. One thread at a time works in it, see `Turn`."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.metrics = Metrics()
        self.stopping = False
        self.stopped_at = 0.0
        self.failure: TelemetryError | None = None
        self.tally = Tally()
        self.conflicts = 0
        self.unread_bytes = 0
        self.sessions = Sessions()
        self.turn = Turn()
        self.passages: dict[Span, Passage] = {}
        self.on_commit: Callable[[Tally], None] = _nothing
        self._lines: dict[str, EventLine] = {}
        self._lake: Lake | None = None
        self._optout: OptOutSource | None = None
        self._opened = False
        self._serves = False
        self._paused = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open everything that does not read from a source; the opt-out list is read to its end.

        Raises `TelemetryError`. Safe to call again.
        """
        with self._lock:
            if not self._opened:
                guarded("opening", None, self._open)
                self._opened = True

    def _open(self) -> None:
        if self.ports.seat.index is None and not self._serves:
            serve_somewhere(self.metrics, self.ports.metrics)
            self._serves = True
        pa.set_cpu_count(1)
        if "jemalloc" in pa.supported_memory_backends():
            # It gives back sooner what a slice has needed: a tenth less at the peak, no slower.
            pa.set_memory_pool(pa.jemalloc_memory_pool())
        pa.set_io_thread_count(1)
        ports = self.ports
        keys = ports.keys()
        if self._optout is None:
            self._optout = ports.optout()
        self._standing = self._optout.load()
        self.gate = OptOutGate(keys.permanent_key("optout"))
        schemas = ports.schemas()
        self.anonymizer = Anonymizer(
            schemas, ports.catalogue(), keys, ports.country(), ports.policy
        )
        lake = self._lake = ports.lake()
        lake.recover()
        self.rejections: RejectionTable = lake.rejections()
        for event in {source.event for source in ports.sources}:
            versions = schemas[event]
            table = lake.events(event, versions[-1].stored)
            self._lines[event] = EventLine(versions[-1], Decoder(versions), table)

    def line(self, event: str) -> EventLine:
        """Return what belongs to an event."""
        return self._lines[event]

    def source_of(self, shard: Shard) -> Source:
        """Return the source that a shard belongs to."""
        return next(source for source in self.ports.sources if source.name == shard.source)

    def now(self) -> datetime:
        """Return the time of the run's clock."""
        return self.ports.clock()

    def standing(self) -> OptOutState | None:
        """Return the opt-out list as of now; None while that cannot be known and nothing is read.

        Raises `OptOutStale` if it takes somebody to repair the list, or the run would not wait.
        """
        now = self.now()
        try:
            self.open()
            assert self._optout is not None
            self._standing = self._optout.refresh(now)
        except OptOutPaused as error:
            self._show_age(now)
            if self.ports.pace.to_end:
                raise
            if not self._paused:
                LOG.warning("%s", str(error))
            self._paused = True
            return None
        if self._paused:
            LOG.warning("The opt-out list is known again, and reading goes on")
        self._paused = False
        self._show_age(now)
        return self._standing

    def _show_age(self, now: datetime) -> None:
        age = None if self._optout is None else self._optout.age(now)
        if age is not None:
            self.metrics.show(declared.OPTOUT_AGE, age.total_seconds())

    def attempt(self, step: str, span: Span | None, call: Callable[[], T]) -> tuple[T, ...]:
        """Return what `call` returns as a tuple of one; after a failure, an empty one."""
        began = time.monotonic()
        try:
            return (guarded(step, span, call),)
        except TelemetryError as error:
            self.fail(error)
            return ()
        finally:
            self.metrics.count(declared.STEP_SECONDS, time.monotonic() - began, step=step)

    def fail(self, error: TelemetryError) -> None:
        """End the run because of an error; the first one counts."""
        if self.ports.seat.index is None:
            # Whoever fails has the turn, and Beam may keep its frames for long.
            self.turn.give()
            # Beam makes a new error of the first argument alone: let it be the whole story.
            raise type(error)(str(error)) from None
        if self.failure is None:
            self.failure = error
        self.stop()

    def stop(self) -> None:
        """Ask for an end of the run: flush, commit, return. Safe in a signal handler."""
        if not self.stopping:
            self.stopped_at = time.monotonic()
            self.stopping = True  # no Event: its lock may be held where the signal comes in

    def start(self, taken: Slice, began: float) -> None:
        """Take note that a slice is on its way."""
        self.passages[taken.span] = Passage(began, len(taken.data))

    def land(self, batch: CleanBatch, committed: Committed) -> None:
        """Take note that a batch is in the lake: counts of a slice are added all at once."""
        tally = tally_of(batch, committed.files)
        self.tally += tally
        self.on_commit(tally)
        passage = self.passages.get(batch.span)
        if passage is not None:
            passage.landed = True
            self._measure(batch, committed, passage)

    def refuse(self, span: Span, error: TelemetryError) -> None:
        """Take note that a slice was not taken, because the lake has moved on meanwhile."""
        self.conflicts += 1
        LOG.warning("%s [%d, %d): %s", span.app_id, span.start, span.stop, type(error).__name__)

    def close(self) -> None:
        """Let go of everything."""
        self.sessions.close()
        if self._lake is not None:
            self._lake.close()

    def _measure(self, batch: CleanBatch, committed: Committed, passage: Passage) -> None:
        count, event = self.metrics.count, batch.event
        count(declared.CONSUMED, batch.read, event=event)
        count(declared.WRITTEN, batch.rows.num_rows, event=event)
        count(declared.COMMITS, 1, event=event)
        count(declared.FILES, committed.files, event=event)
        count(declared.STORED_BYTES, committed.bytes, event=event)
        refused = batch.rejected.select(["stage", "reason"])
        if refused.num_rows:
            groups = pa.table(refused).group_by(["stage", "reason"]).aggregate([([], "count_all")])
            for row in groups.to_pylist():
                labels = {"stage": row["stage"], "reason": row["reason"]}
                count(declared.REJECTED, row["count_all"], event=event, **labels)
        for drop, number in batch.dropped.items():
            count(declared.DROPPED, number, event=event, reason=drop.value)
        for (name, why), number in batch.nulled.items():
            count(declared.NULLED, number, event=event, field=name, reason=why)
        now = self.now()
        observe = self.metrics.observe
        observe(declared.SLICE_SECONDS, time.monotonic() - passage.began, event=event)
        observe(declared.SLICE_BYTES, passage.size, event=event)
        if passage.newest is not None:
            age = max(0.0, (now - passage.newest).total_seconds())
            observe(declared.FRESHNESS, age, event=event)
        self.metrics.show(declared.LAST_COMMIT, now.timestamp(), event=event)


def _nothing(_tally: Tally) -> None:
    """Tell nobody."""


_WORKERS: dict[str, Worker] = {}
_WORKERS_LOCK = threading.Lock()


def worker_of(ports: Ports) -> Worker:
    """Return this process's worker of a run, made at first use."""
    with _WORKERS_LOCK:
        worker = _WORKERS.get(ports.run_id)
        if worker is None:
            worker = _WORKERS[ports.run_id] = Worker(ports)
        return worker


def dismiss(worker: Worker) -> None:
    """Close a worker and forget it: its run has ended in this process."""
    with _WORKERS_LOCK:
        _WORKERS.pop(worker.ports.run_id, None)
    worker.close()
