"""Decode, OptOut and Anonymize as functions on a batch that account for every message.

Messages that a stage cannot handle for a reason that nobody foresaw are rejected as `internal`
(see `guard`), never logged. Beam's stages and the Python API both call these.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa

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
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.optout import OptOutGate, OptOutState

Batch = TypeVar("Batch", RawBatch, CleanBatch)

_MICROSECONDS = 1_000_000


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
