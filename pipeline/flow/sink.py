"""WriteRejections and Write: what a slice refused, and what is stored, decided by one commit.

Unit of parallelism: the source's app id. Delivery: exactly-once for both tables, judged by the
log of the events. Replay: what was recorded or stored is not doubled. If the lake has moved past
a slice, or the slice is too old to be committed, it goes no further: Read finds it not landed,
and starts again from where the lake stands.
"""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam

from pipeline import metrics as declared
from pipeline.errors import PositionConflict, SliceExpired
from pipeline.events.model import CleanBatch
from pipeline.flow.ports import Ports
from pipeline.flow.worker import Worker, worker_of


class WriteRejections(beam.DoFn):
    """CleanBatch to the same CleanBatch, once what it refused waits for the commit of the rest."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def setup(self) -> None:
        """Find what this process has opened."""
        self._worker = worker_of(self._ports)

    def process(self, element: CleanBatch) -> Iterable[CleanBatch]:
        """Write one batch's rejections, hidden."""
        worker = self._worker

        def call() -> CleanBatch:
            worker.rejections.prepare(element, worker.now())
            return element

        return worker.attempt("WriteRejections", element.span, call)


class Write(beam.DoFn):
    """CleanBatch to the lake: rows, position and the decision for its rejections in one commit."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def setup(self) -> None:
        """Find what this process has opened."""
        self._worker = worker_of(self._ports)

    def process(self, element: CleanBatch) -> None:
        """Store one batch."""
        worker = self._worker
        table = worker.line(element.event).table
        metadata = {"run": worker.ports.run_id}

        def call() -> bool:
            try:
                committed = table.commit(element, metadata=metadata)
            except (PositionConflict, SliceExpired) as error:
                return _refuse(worker, element, error)
            worker.land(element, committed)
            return True

        worker.attempt("Write", element.span, call)


def _refuse(worker: Worker, batch: CleanBatch, error: PositionConflict | SliceExpired) -> bool:
    worker.metrics.count(declared.CONFLICTS, 1, event=batch.event)
    worker.refuse(batch.span, error)
    return False
