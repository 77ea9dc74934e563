"""WriteRejections and Write: what a slice refused, and what is stored, decided by one commit.

Unit of parallelism: the source's app id. Delivery: exactly-once for both tables, judged by the
log of the events. Replay: what was recorded or stored is not duplicated. If the lake has moved past
a slice, or the slice is too old to be committed, it goes no further: Read finds it not landed,
and starts again from the lake's position.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import pyarrow.compute as pc

from pipeline.errors import ClockBehind, PositionConflict, SliceExpired, counted
from pipeline.events.model import CleanBatch, Reason
from pipeline.flow.otlp_collector import Step as Passed
from pipeline.flow.ports import utc_now
from pipeline.flow.steps.first_slice import check_new_source
from pipeline.flow.steps.worker import Step, Worker

LOG = logging.getLogger(__name__)

MOST_MESSAGES = 20
"""Fewer messages ahead of the clock are theirs alone to explain: one device with a wrong clock."""


def check_clock(batch: CleanBatch) -> None:
    """Refuse a slice that is mostly ahead of the clock: then the clock must be behind.

    Its events would be rejected as `in_future`, and the position would move past them for good.
    Raises ClockBehind.
    """
    reasons = batch.rejected.column("reason")
    ahead: int = pc.sum(pc.equal(reasons, Reason.IN_FUTURE.value)).as_py() or 0
    if ahead >= MOST_MESSAGES and 2 * ahead > batch.read:
        raise ClockBehind(
            "Most events are ahead of this machine's clock",
            where=f"{batch.span.app_id} [{batch.span.start}, {batch.span.stop})",
            why=f"{ahead} of {counted(batch.read, 'message')} are later than now: "
            "the clock must be behind",
            remedy="Nothing of this slice was stored, and no position moved. Set the clock (NTP), "
            "then run again. If it is right and the producer's is ahead: `telemetry run "
            "--clock-is-right` rejects such messages as `in_future`.",
        )


class WriteRejections(Step):
    """CleanBatch to the same CleanBatch, once what it refused waits for the commit of the rest."""

    def process(self, element: CleanBatch) -> Iterable[CleanBatch]:
        """Write one batch's rejections, hidden."""
        worker = self.worker

        def call() -> CleanBatch:
            if not worker.ports.clock_is_right:
                check_clock(element)
            if not worker.ports.input_is_right:
                check_new_source(worker, element)
            worker.open().rejections.prepare(element, worker.now())
            return element

        return worker.attempt("WriteRejections", element.span, call)


class Write(Step):
    """CleanBatch to the lake: rows, position and the decision for its rejections in one commit."""

    def process(self, element: CleanBatch) -> None:
        """Store one batch."""
        worker = self.worker
        table = worker.line(element.event).table
        metadata: dict[str, object] = {"run": worker.ports.run_id}
        if worker.ports.clock is not utc_now:
            # The log's own times are this machine's: a run with a clock of its own adds its time.
            metadata["at_ms"] = int(worker.now().timestamp() * 1000)

        def call() -> bool:
            try:
                committed = table.commit(element, metadata=metadata)
                end = time.time_ns()
            except (PositionConflict, SliceExpired) as error:
                return _refuse(worker, element, error)
            worker.account.passed(element.span, Passed("Commit", end - committed.commit_ns, end))
            worker.account.land(element, committed)
            return True

        worker.attempt("Write", element.span, call)


def _refuse(worker: Worker, batch: CleanBatch, error: PositionConflict | SliceExpired) -> bool:
    worker.account.conflict(batch)
    span = batch.span
    LOG.warning("%s [%d, %d): %s", span.app_id, span.start, span.stop, type(error).__name__)
    return False
