"""Read a schema file; one that is incomplete or lets an identifier through does not load."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa

from pipeline.errors import counted
from pipeline.events.documents import Section, read_document, suggest
from pipeline.events.schema import SHAPES, Column, EventSchema, Field
from pipeline.events.treatments import (
    FieldType,
    Sensitivity,
    TreatmentError,
    Vocabulary,
)

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
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Names of events, fields and columns."""


def parse_schema(text: str, where: str, words: Vocabulary) -> EventSchema:
    """Parse one schema file; `words` are the treatments, lists and promises it may name.

    Raises `SchemaError` naming `where`, the field and what to do when anything is missing,
    unknown or contradictory, or when a treatment is too weak for the field's sensitivity.
    """
    document = read_document(text, where)
    event = document.text("event")
    version = document.integer("version")
    comment = document.text("comment")
    time_field = document.text("time_field")
    if not NAME.fullmatch(event) or not 1 <= version <= 999:
        raise document.refuse("event or version is invalid", "Use a snake_case name and 1 to 999")
    sorted_by = document.texts("sorted_by", default=())
    fields = tuple(
        _field(name, section, version, words) for name, section in document.sections("fields")
    )
    document.close()
    declared = {field.name for field in fields}
    # What a file of before 0.2 does not say, it can only mean where that field is there.
    fields = tuple(
        replace(field, reads=field.treatment.reads)
        if not field.reads and field.treatment.reads in declared
        else field
        for field in fields
    )
    schema = EventSchema(event, version, comment, time_field, fields, sorted_by)
    _check_whole(schema, document)
    return schema


def _field(name: str, section: Section, version: int, words: Vocabulary) -> Field:
    if not NAME.fullmatch(name):
        raise section.refuse("the field's name is not snake_case", "Rename it")
    kind = FieldType(_choice(section, "type", [item.value for item in FieldType]))
    sensitivity = Sensitivity(_choice(section, "sensitivity", [item.value for item in Sensitivity]))
    purpose = _choice(section, "purpose", sorted(words.purposes))
    declared = section.text("treatment")
    try:
        treatment = words.treatment(declared, kind, sensitivity)
    except TreatmentError as error:
        raise section.refuse(
            f"the treatment {declared!r} is invalid: {error}", "Declare another treatment"
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
        tuple(_column(item, since, words) for item in section.items("columns")),
        section.text("comment"),
        section.text("unit"),
        since,
        section.text("reads") if "reads" in section else "",
    )
    section.close()
    made = treatment.makes
    if len(field.columns) != len(made):
        raise section.refuse(
            f"{treatment} makes {counted(len(made), 'column')}; {len(field.columns)} declared",
            f"Declare exactly the columns that it makes: {', '.join(made) or 'none, []'}",
        )
    if field.reads and not treatment.reads:
        raise section.refuse(f"{treatment} reads no other field", "Remove the key `reads`")
    return field


def _column(section: Section, since: int, words: Vocabulary) -> Column:
    name = section.text("name")
    kind = _choice(section, "type", list(_COLUMN_TYPES))
    if not NAME.fullmatch(name):
        raise section.refuse("the column's name is not snake_case", "Rename it")
    values = None
    if kind in ("string", "list<string>"):
        values = _choice(section, "values", sorted((*words.lists, *SHAPES)))
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
    for name in schema.sorted_by:
        if name not in columns:
            raise document.refuse(
                f"sorted_by names {name!r}, which is no column",
                f"Name stored columns{suggest(name, columns)}",
            )
    for field in schema.fields:
        if field.reads and field.reads not in names:
            raise document.refuse(
                f"{field.name!r} reads {field.reads!r}, which is not declared",
                f"Declare that field{suggest(field.reads, names)}",
            )
    floored = [field.name for field in schema.fields if field.treatment.name == "floor"]
    if floored != [schema.time_field]:
        raise document.refuse(
            "floor[hour] must be the treatment of the time field alone",
            "It makes event_date and event_hour",
        )
