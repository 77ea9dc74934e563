"""The values that move through the pipeline, and the guarantees that their types carry.

A `Slice` is raw bytes with coordinates, a `RawBatch` typed columns that may still hold
identifiers, a `CleanBatch` what may be stored. Only `privacy.anonymize` turns a `RawBatch`
into a `CleanBatch`, and sinks accept only the latter. A batch carries what was refused on
the way (`rejected`, `dropped`), so that its row counts always add up to what was read.
No type here shows its content in `repr`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Reason(Enum):
    """Why a message was rejected: a closed list, safe to store, count and show."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    DUPLICATE_KEY = "duplicate_key"
    TOO_DEEP = "too_deep"
    TOO_MANY_KEYS = "too_many_keys"
    STRING_TOO_LONG = "string_too_long"
    FORBIDDEN_CHARACTER = "forbidden_character"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    WRONG_EVENT = "wrong_event"
    UNKNOWN_VERSION = "unknown_version"
    MISSING_FIELD = "missing_field"
    INVALID_TYPE = "invalid_type"
    INVALID_TIME = "invalid_time"
    NOT_IN_FORMAT = "not_in_format"
    UNUSABLE_SCHEMA = "unusable_schema"
    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    IDENTIFIER_TOO_LONG = "identifier_too_long"
    INTERNAL = "internal"


class Drop(Enum):
    """Why an event was dropped without any record but a counter."""

    OPT_OUT = "opt_out"
    SIGNAL = "signal"
    RESTRICTED = "restricted"
    ERASED = "erased"


class Stage(Enum):
    """Where a message was rejected."""

    DECODE = "decode"
    OPT_OUT = "opt_out"
    ANONYMIZE = "anonymize"


NULL_REASONS = frozenset(
    {
        "invalid_type",
        "invalid_time",
        "negative",
        "not_finite",
        "below_first_edge",
        "out_of_range",
        "unparseable",
        "after_event",
        "placeholder",
        "too_many_new",
    }
)
"""Why a value that was there became null, or was not examined closely: the names of the counts."""

UNREADABLE = "\x00"
"""Stands in a text column for a value that was present but not text.

NUL cannot occur in decoded text, so every treatment handles it like any other value that it
cannot parse: `invalid`, `other` or null.
"""

OFFSET = "_offset"
SIZE = "_size"
"""Technical columns of a `RawBatch`: message coordinate (int64) and wire size in bytes (int32)."""

REJECTED = pa.schema(
    [
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int32(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""What a stage reports about refused messages: where they were and why, never what they said."""

# From typed nulls: a conversion of Python lists makes pyarrow import pandas, a quarter of a second.
NONE_REJECTED = pa.RecordBatch.from_arrays(
    [pa.nulls(0, field.type) for field in REJECTED], schema=REJECTED
)

Offsets = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a source's identity that is kept beside its position in the lake's log.

    It is written by the commit that moves the position, and compared by it: a mark that is not
    `before` means that the position now belongs to another sequence of messages.
    """

    app_id: str
    """The name under which the log keeps it."""
    before: int | None
    """None: the lake has no such mark yet."""
    after: int
    """A signed 64-bit number."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range `[start, stop)` of one file or topic partition.

    Positions are byte offsets of a file, or Kafka offsets. `topic` of a file is its identity.
    """

    source: str
    topic: str
    partition: int
    start: int
    stop: int
    marks: tuple[Mark, ...] = ()

    @property
    def app_id(self) -> str:
        """The name under which the lake's log keeps this file's or partition's position."""
        return f"{self.source}/{self.topic}/{self.partition}"


NATIVE = ""
"""The format of messages in an event's own JSON, as its schema declares it."""


@dataclass(frozen=True, slots=True, repr=False)
class Slice:
    """Raw messages of one span, as they came: message i is `data[starts[i]:ends[i]]`.

    Bytes between messages mean nothing. `offsets[i]` is the message's coordinate. A message
    with `starts[i] == ends[i]` is empty (a Kafka tombstone, for one).
    """

    span: Span
    event: str
    data: bytes
    starts: Offsets
    ends: Offsets
    offsets: Offsets
    format: str = NATIVE
    """The format that the messages are in, by its name in the run (`flow.ports`)."""
    header: bytes | None = None
    """The last line before the messages that says how to read them, in formats that have such
    lines (`#Fields:` of a W3C log); empty if there is none. None where nobody looks for it:
    then such lines are ignored, because what they say would end with the slice."""

    def __len__(self) -> int:
        return len(self.offsets)

    def __repr__(self) -> str:
        return f"Slice({self.span!r}, event={self.event!r}, messages={len(self)})"


def _no_drops() -> Mapping[Drop, int]:
    return {}


def _none_rejected() -> pa.RecordBatch:
    return NONE_REJECTED


def _no_nulls() -> Mapping[tuple[str, str], int]:
    return {}


@dataclass(frozen=True, slots=True, repr=False)
class _Batch:
    """What raw and clean batches share: rows, and the account of every message read."""

    span: Span
    event: str
    read: int
    rows: pa.RecordBatch
    rejected: pa.RecordBatch = field(default_factory=_none_rejected)
    """Schema `REJECTED`, one row for each message refused so far."""
    dropped: Mapping[Drop, int] = field(default_factory=_no_drops)
    nulled: Mapping[tuple[str, str], int] = field(default_factory=_no_nulls)
    """How often a value was made null, by (field, why): `("rtt_ms", "negative")`."""

    def __post_init__(self) -> None:
        refused = self.rejected.num_rows + sum(self.dropped.values())
        if self.rows.num_rows + refused != self.read:
            raise AssertionError("a stage lost or invented messages: the counts do not add up")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.span!r}, rows={self.rows.num_rows}, read={self.read})"


@dataclass(frozen=True, slots=True, repr=False)
class RawBatch(_Batch):
    """Typed declared columns that may hold identifiers, plus `_offset` and `_size`.

    Never logged, stored, shuffled or pickled.
    """


@dataclass(frozen=True, slots=True, repr=False)
class CleanBatch(_Batch):
    """Stored columns only (schema: `EventSchema.clean`), all rebuilt.

    Made by `privacy.anonymize` alone; the only kind of batch that a sink accepts.
    """
