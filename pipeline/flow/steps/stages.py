"""Decode, OptOut and Anonymize: thin Beam stages around the pure functions that do the work.

A stage gets one batch and returns one; the functions are those of `accounted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow.compute as pc

from pipeline import metrics as declared
from pipeline.errors import RegistryUnreachable
from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.flow.steps.accounted import anonymize, decode, drop
from pipeline.flow.steps.worker import Step
from pipeline.privacy.shuffle import shuffled


class Decode(Step):
    """Slice to RawBatch."""

    def process(self, element: Slice) -> Iterable[RawBatch]:
        """Decode one slice."""
        worker = self.worker

        def call() -> tuple[RawBatch, ...]:
            decoder = worker.line(element.event).decoders[element.format]
            try:
                return (decode(decoder, element),)
            except RegistryUnreachable:
                if worker.ports.pace.to_end:
                    raise
                # The slice goes no further, and is read again when the registry answers.
                return ()

        return _went_on(worker.attempt("Decode", element.span, call))


class OptOut(Step):
    """RawBatch to RawBatch, without the people who are opted out at this moment."""

    def process(self, element: RawBatch) -> Iterable[RawBatch]:
        """Drop from one batch."""
        worker = self.worker
        now = worker.now()
        time_field = worker.line(element.event).schema.time_field

        def call() -> tuple[RawBatch, ...]:
            standing = worker.standing()
            if standing is None:
                # While the list is not known the slice goes no further, and is read again later.
                return ()
            return (drop(worker.open().gate, element, standing, now, time_field),)

        return _went_on(worker.attempt("OptOut", element.span, call))


class Anonymize(Step):
    """RawBatch to CleanBatch: nothing in it identifies anybody, and its order says nothing."""

    def process(self, element: RawBatch) -> Iterable[CleanBatch]:
        """Anonymize one batch."""
        worker = self.worker
        schema = worker.line(element.event).schema
        newest = pc.max(element.rows.column(schema.time_field)).as_py()
        worker.account.dated(element.span, newest)
        now = worker.now()
        cleaned = worker.attempt(
            "Anonymize", element.span, lambda: anonymize(worker.open().anonymizer, element, now)
        )
        for batch in cleaned:
            if "country" in batch.rows.schema.names:
                unknown = pc.sum(pc.equal(batch.rows.column("country"), "ZZ")).as_py() or 0
                worker.metrics.count(declared.GEO_UNKNOWN, unknown, event=batch.event)
        entropy = worker.ports.entropy
        return [replace(batch, rows=shuffled(batch.rows, entropy)) for batch in cleaned]


def _went_on(attempted: tuple[tuple[RawBatch, ...], ...]) -> list[RawBatch]:
    """The batch of an attempt, if there is one: it may have failed, or have held its slice back."""
    return [batch for found in attempted for batch in found]
