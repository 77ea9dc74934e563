"""The account of slices: which are on their way, which have landed, and what became of them.

Counts of a slice are added all at once, when its commit is in the lake, so that a sum of them
never shows half of one. Only counts and times are kept here, no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from pipeline import metrics as declared
from pipeline.events.model import CleanBatch, Slice, Span
from pipeline.flow.otlp_collector import Step
from pipeline.flow.ports import Committed, WallClock
from pipeline.flow.summary import Tally, tally_of
from pipeline.metrics import Metrics


@dataclass(slots=True)
class Passage:
    """A slice on its way from Read to Write."""

    began: float
    size: int
    newest: datetime | None = None
    """Time of its newest event."""
    steps: list[Step] = field(default_factory=list)
    landed: bool = False
    """Whether it is in the lake; if not, its reader has to start again from there."""


class Account:
    """What one process has done so far in its run."""

    def __init__(self, metrics: Metrics, clock: WallClock) -> None:
        self.tally = Tally()
        self.conflicts = 0
        """Slices that another writer had committed first."""
        self.unread_bytes = 0
        self.on_commit: Callable[[Tally], None] | None = None
        """Called with the counts of every slice that has landed."""
        self._metrics = metrics
        self._clock = clock
        self._passages: dict[Span, Passage] = {}

    def start(self, taken: Slice, began: float) -> None:
        """Record that a slice has been on its way since `began`, a monotonic time."""
        self._passages[taken.span] = Passage(began, len(taken.data))

    def passed(self, span: Span | None, step: Step) -> None:
        """Record that a slice went through a step, or failed there."""
        passage = None if span is None else self._passages.get(span)
        if passage is not None:
            passage.steps.append(step)

    def dated(self, span: Span, newest: datetime | None) -> None:
        """Record the time of a slice's newest event."""
        passage = self._passages.get(span)
        if passage is not None:
            passage.newest = newest

    def land(self, batch: CleanBatch, committed: Committed) -> None:
        """Record that a batch is in the lake."""
        tally = tally_of(batch, committed.files)
        self.tally += tally
        if self.on_commit is not None:
            self.on_commit(tally)
        passage = self.landed(batch.span)
        if passage is not None:
            self._measure(batch, committed, passage)

    def landed(self, span: Span) -> Passage | None:
        """Mark a slice as landed, and return it; None if it did not start here."""
        passage = self._passages.get(span)
        if passage is not None:
            passage.landed = True
        return passage

    def conflict(self, batch: CleanBatch) -> None:
        """Record that the lake did not take a batch, because it has moved on meanwhile."""
        self.conflicts += 1
        self._metrics.count(declared.CONFLICTS, 1, event=batch.event)

    def settle(self, taken: Slice) -> Passage:
        """Close a slice's account, and return it."""
        return self._passages.pop(taken.span)

    def _measure(self, batch: CleanBatch, committed: Committed, passage: Passage) -> None:
        count, event = self._metrics.count, batch.event
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
        now = self._clock()
        observe = self._metrics.observe
        observe(declared.SLICE_SECONDS, time.monotonic() - passage.began, event=event)
        observe(declared.SLICE_BYTES, passage.size, event=event)
        if passage.newest is not None:
            age = max(0.0, (now - passage.newest).total_seconds())
            observe(declared.FRESHNESS, age, event=event)
        self._metrics.show(declared.LAST_COMMIT, now.timestamp(), event=event)
