"""Decode, OptOut and Anonymize: thin Beam stages around the pure functions that do the work.

A stage gets one batch and returns one. Messages that a stage cannot handle for a reason that
nobody foresaw are rejected as `internal` (see `guard`), never logged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import metrics as declared
from pipeline.errors import RegistryUnreachable
from pipeline.events.decode.decoder import Decodes
from pipeline.events.model import (
    OFFSET,
    REJECTED,
    SIZE,
    CleanBatch,
    Offsets,
    RawBatch,
    Reason,
    Slice,
    Stage,
)
from pipeline.flow.steps.guard import find_culprits
from pipeline.flow.steps.worker import Step
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.optout import OptOutGate, OptOutState
from pipeline.privacy.shuffle import shuffled

Batch = TypeVar("Batch", RawBatch, CleanBatch)

_MICROSECONDS = 1_000_000


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


def decode(decoder: Decodes, source: Slice) -> RawBatch:
    """Decode a slice; messages that the decoder fails on are rejected as `internal`."""

    def call(kept: Offsets | None) -> RawBatch:
        return decoder.decode(source if kept is None else _messages(source, kept))

    batch, culprits = find_culprits(Stage.DECODE, source.span, len(source), call)
    sizes = source.ends[culprits] - source.starts[culprits]
    read = batch.read + len(culprits)
    return _account(batch, read, Stage.DECODE, source.offsets[culprits], sizes)


def drop(
    gate: OptOutGate, batch: RawBatch, standing: OptOutState, now: datetime, time_field: str
) -> RawBatch:
    """Drop opted-out people; rows that the gate fails on are rejected as `internal`."""
    now_us = int(now.timestamp() * _MICROSECONDS)

    def call(kept: Offsets | None) -> RawBatch:
        rows = batch if kept is None else _rows(batch, kept)
        return gate.drop(rows, standing, now_us, time_field=time_field)

    result, culprits = find_culprits(Stage.OPT_OUT, batch.span, batch.rows.num_rows, call)
    return _account(result, batch.read, Stage.OPT_OUT, *_coordinates(batch, culprits))


def anonymize(anonymizer: Anonymizer, batch: RawBatch, now: datetime) -> CleanBatch:
    """Anonymize a batch; rows that the anonymizer fails on are rejected as `internal`."""

    def call(kept: Offsets | None) -> CleanBatch:
        return anonymizer.anonymize(batch if kept is None else _rows(batch, kept), now)

    result, culprits = find_culprits(Stage.ANONYMIZE, batch.span, batch.rows.num_rows, call)
    return _account(result, batch.read, Stage.ANONYMIZE, *_coordinates(batch, culprits))


def _account(batch: Batch, read: int, stage: Stage, offsets: Offsets, sizes: Offsets) -> Batch:
    """Add culprits to a batch's rejections, so that it accounts for all `read` messages again."""
    if not len(offsets):
        return batch
    refused = pa.RecordBatch.from_arrays(
        [
            pa.array(offsets, pa.int64()),
            pa.array(sizes, pa.int32()),
            pa.repeat(stage.value, len(offsets)),
            pa.repeat(Reason.INTERNAL.value, len(offsets)),
        ],
        schema=REJECTED,
    )
    return replace(batch, read=read, rejected=_concat(batch.rejected, refused))


def _messages(source: Slice, kept: Offsets) -> Slice:
    return replace(
        source,
        starts=source.starts[kept],
        ends=source.ends[kept],
        offsets=source.offsets[kept],
    )


def _rows(batch: RawBatch, kept: Offsets) -> RawBatch:
    left_out = batch.rows.num_rows - len(kept)
    return replace(batch, read=batch.read - left_out, rows=batch.rows.take(pa.array(kept)))


def _coordinates(batch: RawBatch, rows: Offsets) -> tuple[Offsets, Offsets]:
    columns = (batch.rows.column(name).to_numpy() for name in (OFFSET, SIZE))
    offsets, sizes = (column[rows].astype(np.int64) for column in columns)
    return offsets, sizes


def _concat(first: pa.RecordBatch, second: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([first, second])
