"""Read: shards to slices of raw bytes, as a splittable DoFn that takes turns.

Unit of parallelism: the shard. A turn cuts slices for about two seconds, or waits a little for
one, and then hands the rest of the shard back to the runner, whose checkpoints may be that close.
The chain after Read is fused: when a `yield` returns, the slice is in the lake, or was refused
by it and is read again from the lake's position. Delivery: exactly-once, by the lake's log;
Beam's restriction carries no position, so no replay of it can lose or double anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import apache_beam as beam
from apache_beam.runners.sdf_utils import RestrictionTrackerView
from apache_beam.utils.timestamp import Duration

from pipeline import metrics as declared
from pipeline.events.model import Slice
from pipeline.flow.otlp_collector import Step as Passed
from pipeline.flow.steps.restriction import Claim, TurnsProvider
from pipeline.flow.steps.sessions import IDLE_WAIT_SECONDS, Session
from pipeline.flow.steps.worker import Step, Worker
from pipeline.io.source import Shard

TURN_SECONDS = 2.0
"""A turn starts no slice after this: a bundle blocks checkpoints, even those of others."""

REST_SECONDS = 5
"""When an idle shard is due again. Some runners ignore it, some take whole seconds only, and
Flink may keep something of every turn (see `runners.remote`): so there are few turns."""

FLUSH_SECONDS = 5.0
"""How long after a stop slices are cut from what is there; the last one is finished."""

_TURNS: Any = beam.DoFn.RestrictionParam(TurnsProvider())


class Read(Step):
    """See the module."""

    @beam.DoFn.unbounded_per_element()
    def process(self, element: Shard, tracker: RestrictionTrackerView = _TURNS) -> Iterator[Slice]:
        """Take a turn at a shard."""
        holder = object()
        self.worker.turn.take(holder)
        self.worker.metrics.count(declared.TURNS, 1, source=element.source)
        self.worker.metrics.beat()
        try:
            yield from self._take_turn(element, tracker)
        finally:
            self.worker.turn.give(holder)

    def _take_turn(self, element: Shard, tracker: RestrictionTrackerView) -> Iterator[Slice]:
        worker = self.worker
        began = time.monotonic()
        for session in worker.attempt("Read", None, lambda: _session(worker, element)):
            if session is None:
                if _waits(worker) and tracker.try_claim(Claim.SLICE):
                    tracker.defer_remainder(Duration(REST_SECONDS))
                    return
                break
            while tracker.try_claim(Claim.SLICE):
                flushed = worker.stopping
                taken = _cut(worker, session)
                if taken is not None:
                    yield taken
                    _settle(worker, session, taken)
                if _is_over(worker, session, idle=taken is None, flushed=flushed):
                    worker.attempt("Read", None, partial(_end, worker, session))
                    tracker.try_claim(Claim.END)
                    return
                if taken is None and not worker.ports.pace.to_end:
                    tracker.defer_remainder(Duration(REST_SECONDS))
                elif taken is None or worker.turn.wanted or time.monotonic() - began > TURN_SECONDS:
                    tracker.defer_remainder()
                del taken  # the next slice must not wait in memory beside this one
            return
        tracker.try_claim(Claim.END)


def _waits(worker: Worker) -> bool:
    """Wait a little for the opt-out list; False if the run is to stop instead."""
    time.sleep(IDLE_WAIT_SECONDS)
    return not worker.stopping


def _session(worker: Worker, shard: Shard) -> Session | None:
    """Pick up the shard's session; None while the opt-out list is not known."""
    if worker.standing() is None:
        return None
    source = worker.source_of(shard)
    table = worker.line(source.event).table
    pace = worker.ports.pace
    return worker.sessions.pick_up(
        shard, lambda: source.open(shard, table.positions, pace, time.monotonic)
    )


def _cut(worker: Worker, session: Session) -> Slice | None:
    """Cut the next slice and start its passage, if what it takes to read it is known."""

    def call() -> Slice | None:
        if worker.standing() is None or not worker.knows_schemas(session.shard):
            _waits(worker)
            return None
        wait = worker.sessions.wait_for(session)
        if worker.stopping:
            session.reader.flush()
            wait = 0.0
        taken = session.next(wait)
        if taken is not None:
            taken = replace(taken, format=worker.ports.format_name(session.shard.source))
        session.lag = session.reader.lag()
        source = session.shard.source
        worker.metrics.show(declared.LAG, worker.sessions.lag_of(source), source=source)
        return taken

    began, since = time.monotonic(), time.time_ns()
    for taken in worker.attempt("Read", None, call):
        if taken is not None:
            worker.account.start(taken, began)
            worker.account.passed(taken.span, Passed("Read", since, time.time_ns()))
        return taken
    return None


def _settle(worker: Worker, session: Session, taken: Slice) -> None:
    """Report to the reader what became of its slice, now that all stages have returned."""
    passage = worker.account.settle(taken)
    landed = taken if passage.landed else None
    if worker.export is not None:
        source = session.shard.source
        worker.export.slice(taken.event, source, passage.steps, landed=passage.landed)
    worker.attempt("Read", taken.span, lambda: session.settle(landed))


def _is_over(worker: Worker, session: Session, *, idle: bool, flushed: bool) -> bool:
    """Return whether a session has nothing more to read in this run.

    A stop that arrives while a reader waits must still flush it once.
    """
    if worker.failure is not None:
        return True
    if worker.stopping:
        return (idle and flushed) or time.monotonic() - worker.stopped_at > FLUSH_SECONDS
    return idle and worker.ports.pace.to_end and session.reader.at_end()


def _end(worker: Worker, session: Session) -> None:
    if worker.failure is None and not worker.stopping:
        worker.account.unread_bytes += session.reader.lag()
    worker.sessions.end(session)
