"""What an event is: its raw fields, how each is treated, and the columns that are stored.

One YAML file `schemas/<event>/v<N>.yaml` declares one version of one event. Whatever is not
declared never leaves Decode, and a declaration that is incomplete or would let an identifier
through does not load. A published version never changes; a later one may add fields, and may keep
less of a field than the one before. The version of a message says what the message contains; the
newest version always decides what is stored of it (docs/decisions/0016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline.events.model import OFFSET, SIZE
from pipeline.events.treatments import (
    FieldType,
    Sensitivity,
    Treatment,
)

__all__ = [
    "ACCOUNT_FIELD",
    "COMMON_COLUMNS",
    "EVENT_TOKEN",
    "SESSION",
    "SHAPES",
    "SIGNAL_FIELDS",
    "SUBJECT",
    "TEXT_LIMIT",
    "Column",
    "EventSchema",
    "Field",
    "FieldType",
    "Sensitivity",
    "Treatment",
    "withheld",
]

EVENT_TOKEN, SUBJECT, SESSION = "event_token", "subject", "session"
"""Columns of the common block that tell apart rows, people and their sessions."""

SHAPES = frozenset({"token", "fingerprint", "cidr", "country", "minor_version"})
"""What a stored text may be when it is not from a closed list: 32 hex digits, 16 hex digits,
a network, an ISO 3166 alpha-2 code, `major.minor`."""

TOKEN_SHAPES = frozenset({"token", "fingerprint"})
"""Shapes of texts that each stand for one person, thing or message."""

ACCOUNT_FIELD = "account_id"
"""The raw field, in every event, by which opt-outs are decided and rights requests are served."""

SIGNAL_FIELDS = ("gpc", "dnt")
"""Raw fields that hold what the client's own switch said (Sec-GPC and DNT headers)."""

COMMON_COLUMNS = (
    "event_date",
    "event_hour",
    EVENT_TOKEN,
    SUBJECT,
    SESSION,
    "account_age",
    "country",
    "ip_prefix",
    "ip_class",
    "client_family",
    "client_major",
    "os_family",
    "device_class",
    "model",
    "region",
    "plan",
    "schema_version",
)
"""The block that events share, in stored order; an event without a field has no such column."""

_RAW_TYPES: dict[FieldType, pa.DataType] = {
    FieldType.STRING: pa.string(),
    FieldType.IDENTIFIER: pa.string(),
    FieldType.SIGNAL: pa.string(),
    FieldType.INT64: pa.int64(),
    FieldType.FLOAT64: pa.float64(),
    FieldType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    FieldType.DATE: pa.date32(),
    FieldType.LIST: pa.list_(pa.string()),
}
TEXT_LIMIT = 2048
"""Longest text that Decode lets in, in bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column."""

    name: str
    type: pa.DataType
    nullable: bool
    comment: str
    unit: str
    values: str | None
    """For text: the closed list (`catalogue.LISTS`) or shape (`SHAPES`) of every value."""
    since: int
    """Schema version that added it."""

    @property
    def is_closed(self) -> bool:
        """Whether it holds a text of a closed list, which can be written as a number."""
        return self.type == pa.string() and self.values not in SHAPES


@dataclass(frozen=True, slots=True)
class Field:
    """One raw field of an event and how it is treated."""

    name: str
    type: FieldType
    required: bool
    sensitivity: Sensitivity
    treatment: Treatment
    purpose: str
    columns: tuple[Column, ...]
    comment: str
    unit: str
    since: int
    reads: str = ""
    """The other raw field that the treatment also reads; most read none."""

    @property
    def is_decisive(self) -> bool:
        """Whether the message is refused if this value cannot be read.

        It is if the field may not be missing, or says whose event it is: an account id that is a
        number must not become "no account", which would pass the opt-out.
        """
        return self.required or self.type is FieldType.IDENTIFIER


@dataclass(frozen=True)
class EventSchema:
    """One version of one event."""

    event: str
    version: int
    comment: str
    time_field: str
    fields: tuple[Field, ...]
    sorted_by: tuple[str, ...] = ()
    """Columns that sealed files are sorted by: those that queries filter on most."""

    def field(self, name: str) -> Field:
        """The raw field of that name; KeyError if it is not declared."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @cached_property
    def raw(self) -> pa.Schema:
        """Schema of `RawBatch.rows`: the fields in declared order, then `_offset` and `_size`."""
        return pa.schema(
            [
                *(pa.field(field.name, _RAW_TYPES[field.type]) for field in self.fields),
                pa.field(OFFSET, pa.int64(), nullable=False),
                pa.field(SIZE, pa.int32(), nullable=False),
            ]
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Stored columns: the common block in its order, then the event's own as declared."""
        found = {column.name: column for field in self.fields for column in field.columns}
        common = [found.pop(name) for name in COMMON_COLUMNS if name in found]
        return (*common, *found.values())

    @cached_property
    def stored(self) -> pa.Schema:
        """Schema of the table; Arrow metadata says the rest of each column."""
        owner = {column.name: field for field in self.fields for column in field.columns}
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.type,
                    nullable=column.nullable,
                    metadata={
                        "comment": column.comment,
                        "unit": column.unit,
                        "sensitivity": owner[column.name].sensitivity.value,
                        "since": str(column.since),
                        **({"values": column.values} if column.values else {}),
                    },
                )
                for column in self.columns
            ]
        )

    @cached_property
    def clean(self) -> pa.Schema:
        """Schema of `CleanBatch.rows`: as stored, but texts of closed lists by their numbers.

        The files written are the same; numbers are shuffled and encoded in two thirds of the time.
        """
        closed = {column.name for column in self.columns if column.is_closed}
        coded = pa.dictionary(pa.int32(), pa.string())
        return pa.schema(
            [field.with_type(coded) if field.name in closed else field for field in self.stored]
        )


def withheld(schemas: Mapping[str, Sequence[EventSchema]]) -> frozenset[str]:
    """Name the columns that no publication may show: tokens, fingerprints and networks."""
    return frozenset(
        column.name
        for versions in schemas.values()
        for schema in versions
        for column in schema.columns
        if column.values in TOKEN_SHAPES | {"cidr"}
    )
