"""What an event is: its raw fields, how each is treated, and the columns that are stored.

One YAML file `schemas/<event>/v<N>.yaml` declares one version of one event. Whatever is not
declared never leaves Decode, and a declaration that is incomplete or would let an identifier
through does not load. A published version never changes; a later one may only add fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline.errors import SchemaError
from pipeline.events.catalogue import LISTS
from pipeline.events.documents import Section, read_document, suggest
from pipeline.events.model import OFFSET, SIZE
from pipeline.events.treatments import (
    FieldType,
    Sensitivity,
    Treatment,
    TreatmentError,
    parse_treatment,
)

__all__ = [
    "COMMON_COLUMNS",
    "PURPOSES",
    "SHAPES",
    "TEXT_LIMIT",
    "TEXT_TYPES",
    "Column",
    "EventSchema",
    "Field",
    "FieldType",
    "Sensitivity",
    "Treatment",
    "check_evolution",
    "parse_schema",
]

PURPOSES = frozenset(f"P{number:02}" for number in range(1, 23)) - {"P06", "P07", "P19"}
"""Promises (`schemas/promises.yaml`) that a field can serve or be bound by."""

SHAPES = frozenset({"token", "fingerprint", "cidr", "country", "minor_version"})
"""What a stored text may be when it is not from a closed list: 32 hex digits, 16 hex digits,
a network, an ISO 3166 alpha-2 code, `major.minor`."""

COMMON_COLUMNS = (
    "event_date",
    "event_hour",
    "event_token",
    "subject",
    "session",
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

_COLUMN_TYPES: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "string": pa.string(),
    "list<string>": pa.list_(pa.string()),
}
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
TEXT_TYPES = frozenset(kind for kind, raw in _RAW_TYPES.items() if raw == pa.string()) | {
    FieldType.TIMESTAMP,
    FieldType.DATE,
}
"""Types whose JSON value is a text."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_EXPECTED_COLUMNS = {
    "drop": 0,
    "keep": 1,
    "bucket": 1,
    "pseudonymize": 1,
    "floor[hour]": 2,
    "truncate": 3,
    "generalize[agent]": 4,
    "generalize": 1,
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


@dataclass(frozen=True, slots=True)
class Field:
    """One raw field of an event and what becomes of it."""

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


@dataclass(frozen=True)
class EventSchema:
    """One version of one event."""

    event: str
    version: int
    comment: str
    time_field: str
    fields: tuple[Field, ...]

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
        """Schema of `CleanBatch.rows`; Arrow metadata carries comment, unit, sensitivity, since."""
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
                    },
                )
                for column in self.columns
            ]
        )


def parse_schema(text: str, where: str) -> EventSchema:
    """Parse one schema file.

    Raises `SchemaError` that names `where`, the field and what to do when anything is missing,
    unknown or contradictory, or when a treatment would not do for the field's sensitivity.
    """
    document = read_document(text, where)
    event = document.text("event")
    version = document.integer("version")
    comment = document.text("comment")
    time_field = document.text("time_field")
    if not _NAME.fullmatch(event) or not 1 <= version <= 999:
        raise document.refuse("event or version is off", "Use a snake_case name and 1 to 999")
    fields = tuple(_field(name, section, version) for name, section in document.sections("fields"))
    document.close()
    schema = EventSchema(event, version, comment, time_field, fields)
    _check_whole(schema, document)
    return schema


def _field(name: str, section: Section, version: int) -> Field:
    if not _NAME.fullmatch(name):
        raise section.refuse("the field's name is not snake_case", "Rename it")
    kind = FieldType(_choice(section, "type", [item.value for item in FieldType]))
    sensitivity = Sensitivity(_choice(section, "sensitivity", [item.value for item in Sensitivity]))
    purpose = _choice(section, "purpose", sorted(PURPOSES))
    declared = section.text("treatment")
    try:
        treatment = parse_treatment(declared, kind, sensitivity)
    except TreatmentError as error:
        raise section.refuse(
            f"the treatment {declared!r} does not stand: {error}", "Declare another treatment"
        ) from None
    since = section.integer("since")
    if not 1 <= since <= version:
        raise section.refuse("since is out of range", f"It is a schema version up to {version}")
    field = Field(
        name,
        kind,
        section.flag("required", default=False),
        sensitivity,
        treatment,
        purpose,
        tuple(_column(item, since) for item in section.items("columns")),
        section.text("comment"),
        section.text("unit"),
        since,
    )
    section.close()
    expected = _EXPECTED_COLUMNS.get(str(treatment), _EXPECTED_COLUMNS.get(treatment.name))
    if len(field.columns) != expected:
        raise section.refuse(
            f"{treatment} makes {expected} columns and {len(field.columns)} are declared",
            "Declare exactly the columns that the treatment makes",
        )
    return field


def _column(section: Section, since: int) -> Column:
    name = section.text("name")
    kind = _choice(section, "type", list(_COLUMN_TYPES))
    if not _NAME.fullmatch(name):
        raise section.refuse("the column's name is not snake_case", "Rename it")
    values = None
    if kind in ("string", "list<string>"):
        values = _choice(section, "values", sorted((*LISTS, *SHAPES)))
    column = Column(
        name,
        _COLUMN_TYPES[kind],
        section.flag("nullable"),
        section.text("comment"),
        section.text("unit"),
        values,
        section.integer("since", default=since),
    )
    section.close()
    return column


def _choice(section: Section, key: str, allowed: list[str]) -> str:
    value = section.text(key)
    if value not in allowed:
        raise section.refuse(
            f"{value!r} is not a {key}",
            f"Use one of {', '.join(allowed)}{suggest(value, allowed)}",
        )
    return value


def _check_whole(schema: EventSchema, document: Section) -> None:
    names = [field.name for field in schema.fields]
    for name, kind in (
        ("event", FieldType.STRING),
        ("version", FieldType.INT64),
        ("event_id", FieldType.IDENTIFIER),
        (schema.time_field, FieldType.TIMESTAMP),
    ):
        if name not in names:
            raise document.refuse(f"the field {name!r} is not declared", "Every event needs it")
        if schema.field(name).type is not kind or not schema.field(name).required:
            raise document.refuse(
                f"the field {name!r} is not a required {kind.value}", "Correct its type"
            )
    columns = [column.name for field in schema.fields for column in field.columns]
    for name in columns:
        if columns.count(name) > 1:
            raise document.refuse(f"the column {name!r} is declared twice", "Rename one of them")
    floored = [field.name for field in schema.fields if field.treatment.name == "floor"]
    if floored != [schema.time_field]:
        raise document.refuse(
            "floor[hour] must be the treatment of the time field alone",
            "It makes event_date and event_hour",
        )


def check_evolution(older: EventSchema, newer: EventSchema) -> None:
    """Refuse a version that drops or changes a field or column of an earlier one.

    Analysts' queries and rows already stored rely on them; a new meaning is a new name.
    """
    where = f"{newer.event}/v{newer.version}.yaml"
    for name in _changed(older, newer):
        raise SchemaError(
            f"{name!r} of version {older.version} is missing or has another type",
            where=where,
            remedy="Declare it as before; give a new meaning a new name",
        )


def _changed(older: EventSchema, newer: EventSchema) -> Iterator[str]:
    raw = {field.name: field.type for field in newer.fields}
    for field in older.fields:
        if raw.get(field.name) is not field.type:
            yield field.name
    stored = {column.name: (column.type, column.values) for column in newer.columns}
    for column in older.columns:
        if stored.get(column.name) != (column.type, column.values):
            yield column.name
