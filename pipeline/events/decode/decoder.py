"""Decode: a slice of raw messages to a `RawBatch` of typed columns.

What a message means is defined by `strict`, one message at a time. The kernel (`table`, Rust)
gives the same answers in a fortieth of the time and is used where it was built; the result does
not show which of the two ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from pipeline import native
from pipeline.events.decode.columns import Messages, without
from pipeline.events.decode.record_by_record import RecordByRecord
from pipeline.events.decode.table import event_table
from pipeline.events.model import NONE_REJECTED, REJECTED, Offsets, RawBatch, Reason, Slice, Stage
from pipeline.events.schema import EventSchema


class Decodes(Protocol):
    """Turns slices of one event, in one format, into batches."""

    def decode(self, source: Slice) -> RawBatch:
        """See `Decoder.decode`."""


class Decoder:
    """Decodes slices of one event. Keeps nothing of the messages; cannot be pickled."""

    __slots__ = ("_messages", "_newest")

    def __init__(self, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the known versions of one event, ascending."""
        kernel = native.kernel()
        self._newest = schemas[-1]
        self._messages: Messages = (
            RecordByRecord(schemas) if kernel is None else event_table(kernel, schemas)
        )

    def decode(self, source: Slice) -> RawBatch:
        """Return columns of every message that is understood, and a rejection for each other one.

        Rows and rejections are in the order of the slice. Never raises because of the data.
        """
        found = self._messages.decode(source.data, source.starts, source.ends)
        sizes = source.ends - source.starts
        coordinates = [
            pa.array(without(source.offsets, found.refused)),
            pa.array(without(sizes, found.refused).astype(np.int32)),
        ]
        rows = pa.RecordBatch.from_arrays([*found.arrays, *coordinates], schema=self._newest.raw)
        fields = self._newest.fields
        return RawBatch(
            source.span,
            source.event,
            len(source),
            rows,
            rejections(source, found.refused, found.reasons),
            nulled={(fields[at].name, why.value): n for (at, why), n in found.nulled.items()},
        )

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Decoder is built where it is used: it does not travel")


def rejections(source: Slice, refused: Offsets, reasons: Sequence[Reason]) -> pa.RecordBatch:
    """Coordinates and reasons of the messages with these numbers (schema `REJECTED`)."""
    if not reasons:
        return NONE_REJECTED
    sizes = np.minimum(source.ends[refused] - source.starts[refused], 2**31 - 1)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(source.offsets[refused]),
            pa.array(sizes.astype(np.int32)),
            pa.array([Stage.DECODE.value] * len(refused)),
            pa.array([reason.value for reason in reasons]),
        ],
        schema=REJECTED,
    )
