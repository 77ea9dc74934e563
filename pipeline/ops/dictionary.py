"""The data dictionary: every table of a lake, every column, every closed list; Markdown or HTML.

Made from schemas and catalogue alone: it says what a column may hold, never what it does hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.events.catalogue import Catalogue
from pipeline.events.model import Reason, Stage
from pipeline.events.schema import SHAPES, EventSchema
from pipeline.io.lake.rejection_table import STORED

HEADINGS = ("column", "type", "null", "unit", "values", "from", "treatment", "since", "meaning")
_SHAPES = {
    "token": "32 hex digits",
    "fingerprint": "16 hex digits",
    "cidr": "a network, as 203.0.113.0/24",
    "country": "ISO 3166 alpha-2, `ZZ` if unknown",
    "minor_version": "major.minor",
}
_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """One column, in words."""

    name: str
    type: str
    null: str
    unit: str
    values: str
    """The name of a closed list, or the shape of a text in words; empty for numbers."""
    is_list: bool
    """Whether `values` is the name of a closed list of the dictionary."""
    source: str
    """The raw field that it is made from."""
    treatment: str
    since: str
    meaning: str


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table of the lake."""

    name: str
    title: str
    comment: str
    entries: tuple[ColumnEntry, ...]


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The whole dictionary, with the closed lists that columns name."""

    tables: tuple[TableEntry, ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]
    """Each list with everything that a column of it may hold, fallback included, sorted."""


def dictionary(schemas: Iterable[EventSchema], catalogue: Catalogue) -> Dictionary:
    """Describe the tables of these events, and the table of rejections."""
    tables = [_table(schema) for schema in schemas]
    named = {entry.values for table in tables for entry in table.entries if entry.is_list}
    lists = [(name, tuple(sorted(catalogue.storable(name)))) for name in sorted(named)]
    lists += [
        (name, tuple(sorted(one.value for one in words)))
        for name, words in (("reject_reasons", Reason), ("reject_stages", Stage))
    ]
    return Dictionary((*tables, _rejections()), tuple(lists))


def _table(schema: EventSchema) -> TableEntry:
    owner = {column.name: field for field in schema.fields for column in field.columns}
    entries = []
    for column in schema.columns:
        named = column.values or ""
        closed = bool(named) and named not in SHAPES
        entries.append(
            ColumnEntry(
                name=column.name,
                type=_type(column.type),
                null="yes" if column.nullable else "no",
                unit=_NOTHING if column.unit == "none" else column.unit,
                values=named if closed else _SHAPES.get(named, ""),
                is_list=closed,
                source=owner[column.name].name,
                treatment=str(owner[column.name].treatment),
                since=str(column.since),
                meaning=column.comment,
            )
        )
    title = f"{schema.event}, version {schema.version}"
    return TableEntry(schema.event, title, schema.comment, tuple(entries))


def _rejections() -> TableEntry:
    lists = {"reason": "reject_reasons", "stage": "reject_stages"}
    entries = tuple(
        ColumnEntry(
            name=field.name,
            type=_type(field.type),
            null="no",
            unit=field.metadata[b"unit"].decode() or _NOTHING,
            values=lists.get(field.name, ""),
            is_list=field.name in lists,
            source=_NOTHING,
            treatment=_NOTHING,
            since=field.metadata[b"since"].decode(),
            meaning=f"{field.metadata[b'comment'].decode()}.",
        )
        for field in STORED
    )
    comment = "Messages that were refused: where they were and why, never what they said."
    return TableEntry("rejections", "rejections", comment, entries)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    return "date" if pa.types.is_date(kind) else str(kind)


def as_markdown(told: Dictionary, made: str) -> str:
    """Return it as Markdown; `made` is a line below the title that says where it comes from."""
    return "\n".join(_markdown(told, made)) + "\n"


def _markdown(told: Dictionary, made: str) -> Iterator[str]:
    yield from ("# Data dictionary", "", made, "")
    yield "Each table of the lake, its columns in stored order. Null is *not reported*. What"
    yield "`from` and `treatment` name is in [Schemas](schemas.md)."
    for table in told.tables:
        yield from ("", f"## {table.title}", "", table.comment, "", _row(HEADINGS))
        yield "| --- " * len(HEADINGS) + "|"
        yield from (_row(_cells(entry)) for entry in table.entries)
    yield from ("", "## Closed lists")
    for name, values in told.lists:
        yield from ("", f"### {name}", "", ", ".join(f"`{value}`" for value in values))


def _cells(entry: ColumnEntry) -> list[str]:
    values = f"[{entry.values}](#{entry.values})" if entry.is_list else entry.values
    source = entry.source if entry.source == _NOTHING else f"`{entry.source}`"
    treatment = entry.treatment if entry.treatment == _NOTHING else f"`{entry.treatment}`"
    return [
        *(f"`{entry.name}`", entry.type, entry.null, entry.unit, values or _NOTHING),
        *(source, treatment, entry.since, entry.meaning),
    ]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
