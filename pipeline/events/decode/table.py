"""The kernel's table: which values of a message become which columns.

A table is data. An event's table names its fields and versions (`event_table`); a format's table
names paths into nested objects, without event and version. Both are read by the same parser,
under the same limits. Nothing here knows what a field means or what happens to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.events.decode.columns import Columns
from pipeline.events.decode.strict_json import MAX_DEPTH, MAX_KEYS, MAX_SIZE
from pipeline.events.model import Offsets, Reason
from pipeline.events.schema import TEXT_LIMIT, EventSchema, FieldType

if TYPE_CHECKING:
    from pipeline.kernel import Buffer


class Kind(StrEnum):
    """How a value is read, by the kernel's names."""

    TEXT = "text"
    """A text; anything else is `UNREADABLE` and counted."""
    SCALAR = "scalar"
    """A text, or a number or Boolean as it was written."""
    SIGNAL = "signal"
    """`1` if a privacy signal is on, else null."""
    INT = "int"
    FLOAT = "float"
    TIME = "time"
    """RFC 3339 text."""
    DATE = "date"
    """ISO date."""
    LIST = "list"
    """List of texts, without empty ones and nulls."""
    FIRST = "first"
    """The first text of a list; anything else as `SCALAR`."""
    LAST = "last"
    """The last text of a list; anything else as `SCALAR`."""


Path = tuple[str, ...]
"""Names from the message inwards: `("request", "headers", "User-Agent")`."""

ARROW: Final = {
    Kind.TEXT: pa.string(),
    Kind.SCALAR: pa.string(),
    Kind.SIGNAL: pa.string(),
    Kind.INT: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.DATE: pa.date32(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.FIRST: pa.string(),
    Kind.LAST: pa.string(),
}
_KINDS: Final = {
    FieldType.STRING: Kind.TEXT,
    FieldType.IDENTIFIER: Kind.TEXT,
    FieldType.SIGNAL: Kind.SIGNAL,
    FieldType.INT64: Kind.INT,
    FieldType.FLOAT64: Kind.FLOAT,
    FieldType.TIMESTAMP: Kind.TIME,
    FieldType.DATE: Kind.DATE,
    FieldType.LIST: Kind.LIST,
}


@dataclass(frozen=True, slots=True, repr=False)
class Flat:
    """A message for each log record, and the lines that were refused. Never shown."""

    data: npt.NDArray[np.uint8]
    starts: Offsets
    ends: Offsets
    lines: Offsets
    """The line that each message came from."""
    numbers: Offsets
    """The number of each message in its line."""
    refused: Offsets
    reasons: list[Reason]


class KernelTable:
    """A table, ready to decode. Keeps nothing of the messages."""

    def __init__(
        self,
        native: ModuleType,
        fields: Sequence[tuple[Path, Kind]],
        *,
        depth: int = MAX_DEPTH,
        keys: int = MAX_KEYS,
        text: int = TEXT_LIMIT,
        versions: Sequence[tuple[int, list[int], list[int], list[int]]] = (),
        identity: tuple[str, int, int] | None = None,
    ) -> None:
        """`fields` are the columns in order; several paths may lead into the same object.

        A message is one JSON object. Without `identity` every object is accepted, whatever it
        lacks; see `kernel.pyi` for `versions` and `identity`. `depth` may be raised for an
        envelope that a format defines, and so may `keys`, the most names, and `text`, the most
        bytes of a text.
        """
        self._native = native
        self._types = [ARROW[kind] for _, kind in fields]
        self._reasons = [Reason(name) for name in native.REASONS]
        self._table = native.Table(
            [(list(path), kind.value) for path, kind in fields],
            limits=(MAX_SIZE, depth, keys, text),
            versions=versions,
            identity=identity,
        )

    def decode(self, data: bytes, starts: Offsets, ends: Offsets) -> Columns:
        """See `columns.Messages`."""
        rows, buffers, refused, reasons, nulled = self._native.decode(
            self._table, data, starts, ends
        )
        return Columns(
            rows,
            [array_of(kind, rows, found) for kind, found in zip(self._types, buffers, strict=True)],
            np.frombuffer(refused, np.int64),
            [self._reasons[code] for code in bytes(reasons)],
            {(column, self._reasons[code]): count for column, code, count in nulled},
        )

    def flatten(self, data: bytes, starts: Offsets, ends: Offsets) -> Flat:
        """The log records of lines of OTLP/JSON logs, under the limits of this table."""
        made, *parts, reasons = self._native.flatten(self._table, data, starts, ends)
        starts, ends, lines, numbers, refused = (np.frombuffer(one, np.int64) for one in parts)
        return Flat(
            np.frombuffer(made, np.uint8),
            starts,
            ends,
            lines,
            numbers,
            refused,
            [self._reasons[code] for code in bytes(reasons)],
        )


def event_table(native: ModuleType, schemas: tuple[EventSchema, ...]) -> KernelTable:
    """The table of an event's known versions, ascending: a column for each field of the newest."""
    newest = schemas[-1]
    places = {field.name: at for at, field in enumerate(newest.fields)}
    versions = [
        (
            schema.version,
            [places[field.name] for field in schema.fields],
            [places[field.name] for field in schema.fields if field.required],
            [places[field.name] for field in schema.fields if field.is_decisive],
        )
        for schema in schemas
    ]
    return KernelTable(
        native,
        [((field.name,), _KINDS[field.type]) for field in newest.fields],
        versions=versions,
        identity=(newest.event, places["event"], places["version"]),
    )


def array_of(kind: pa.DataType, rows: int, buffers: Sequence[Buffer | None]) -> pa.Array:
    """An array over the kernel's own memory."""
    if not buffers:
        return pa.nulls(rows, kind)
    held = [None if buffer is None else pa.py_buffer(buffer) for buffer in buffers]
    if not pa.types.is_list(kind):
        return pa.Array.from_buffers(kind, rows, held)
    bounds = buffers[2]
    assert bounds is not None
    items = pa.Array.from_buffers(pa.string(), len(bounds) // 4 - 1, [None, *held[2:]])
    return pa.Array.from_buffers(kind, rows, held[:2], children=[items])
