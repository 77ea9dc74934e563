"""The fallback: messages to columns by the specification alone, one at a time.

For installations without the kernel. It is also the oracle of the tests, so it takes no shortcut
that `strict` does not take.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.events.decode.columns import Columns
from pipeline.events.decode.strict import StrictDecoder, Value
from pipeline.events.model import Offsets, Reason
from pipeline.events.schema import EventSchema


class RecordByRecord:
    """Decodes by `StrictDecoder`. Keeps nothing of the messages."""

    def __init__(self, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the versions of one event, ascending."""
        self._strict = StrictDecoder(schemas)
        newest = schemas[-1]
        self._types = [newest.raw[at].type for at in range(len(newest.fields))]
        self._places = {field.name: at for at, field in enumerate(newest.fields)}

    def decode(self, data: bytes, starts: Offsets, ends: Offsets) -> Columns:
        """See `columns.Messages`."""
        decode = self._strict.decode
        rows: list[tuple[Value, ...]] = []
        refused: list[int] = []
        reasons: list[Reason] = []
        nulled: Counter[tuple[str, Reason]] = Counter()
        for at, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            answer = decode(data[start:end])
            if isinstance(answer, Reason):
                refused.append(at)
                reasons.append(answer)
                continue
            rows.append(answer.values)
            if answer.nulled:
                nulled.update(answer.nulled)
        values = zip(*rows, strict=True) if rows else [()] * len(self._types)
        return Columns(
            len(rows),
            [pa.array(column, kind) for column, kind in zip(values, self._types, strict=True)],
            np.array(refused, np.int64),
            reasons,
            {(self._places[name], why): count for (name, why), count in nulled.items()},
        )
