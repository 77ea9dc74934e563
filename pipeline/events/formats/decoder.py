"""Decode, for messages in a format: a slice of raw lines to a `RawBatch` of typed columns.

Nothing downstream can tell the result from that of an event's own JSON. A message may hold no
event (a comment) or many, so a batch counts records, not messages.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline import native
from pipeline.events.decode.decoder import rejections
from pipeline.events.formats.columns import Records
from pipeline.events.formats.kernel_way import ByKernel
from pipeline.events.formats.model import Format
from pipeline.events.formats.one_by_one import OneByOne
from pipeline.events.model import RawBatch, Slice
from pipeline.events.schema import EventSchema


class FormatDecoder:
    """Decodes slices in one format. Keeps nothing of the messages; cannot be pickled."""

    __slots__ = ("_newest", "_records")

    def __init__(self, format_: Format, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the known versions of the format's event, ascending."""
        kernel = native.kernel()
        self._newest = schemas[-1]
        self._records: Records = (
            OneByOne(format_, schemas) if kernel is None else ByKernel(kernel, format_, schemas)
        )

    def decode(self, source: Slice) -> RawBatch:
        """See `pipeline.events.decode.decoder.Decoder.decode`."""
        made = self._records.make(source)
        sizes = (source.ends - source.starts)[made.messages]
        columns = [
            *made.arrays,
            pa.array(source.offsets[made.messages]),
            pa.array(sizes.astype(np.int32)),
        ]
        return RawBatch(
            source.span,
            source.event,
            len(made.messages) + len(made.refused),
            pa.RecordBatch.from_arrays(columns, schema=self._newest.raw),
            rejections(source, made.refused, made.reasons),
            nulled=made.nulled,
        )

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a FormatDecoder is built where it is used: it does not travel")
