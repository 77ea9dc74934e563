"""The fallback: messages to columns by the specification alone, one at a time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.events.decode.strict import Value
from pipeline.events.formats.columns import Made, position_of
from pipeline.events.formats.model import Format
from pipeline.events.formats.record import Refusal, StrictFormat
from pipeline.events.model import Reason, Slice
from pipeline.events.schema import EventSchema


class OneByOne:
    """Reads by `StrictFormat`. Keeps nothing of the messages."""

    def __init__(self, format_: Format, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the versions of the format's event, ascending."""
        self._format = format_
        self._schemas = schemas
        newest = schemas[-1]
        self._types = [newest.raw[at].type for at in range(len(newest.fields))]

    def make(self, source: Slice) -> Made:
        """See `columns.Records`."""
        strict = StrictFormat(self._format, self._schemas, source.header)
        rows: list[tuple[Value, ...]] = []
        messages: list[int] = []
        refused: list[int] = []
        reasons: list[Reason] = []
        nulled: Counter[tuple[str, str]] = Counter()
        where = position_of(source)
        for at, offset in enumerate(source.offsets.tolist()):
            line = source.data[source.starts[at] : source.ends[at]]
            for answer in strict.decode(line, f"{where}{offset}"):
                if isinstance(answer, Refusal):
                    refused.append(at)
                    reasons.append(answer.reason)
                    continue
                rows.append(answer.values)
                messages.append(at)
                nulled.update(answer.nulled)
        values = zip(*rows, strict=True) if rows else [()] * len(self._types)
        return Made(
            [pa.array(one, kind) for one, kind in zip(values, self._types, strict=True)],
            np.array(messages, np.int64),
            np.array(refused, np.int64),
            reasons,
            dict(nulled),
        )
