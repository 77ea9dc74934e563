"""What is stored for each field of an event, in words, and for one real event in stored values.

The explanation shows what would be stored and never the input; see `trial`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pipeline.events.formats.guess import refusals, with_fields
from pipeline.events.formats.model import Format, Rule
from pipeline.events.formats.record import Refusal
from pipeline.events.model import CleanBatch, RawBatch, Reason
from pipeline.events.schema import EventSchema, Field
from pipeline.ops.trial import Rules, anonymize_batch, decode_messages

_NONE: Mapping[Refusal, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldStory:
    """One declared field: what was done with it and why."""

    field: str
    fate: str
    how: str
    stored: Mapping[str, object]
    """Columns with their values; values are None where only the schema is explained."""
    purpose: str
    comment: str
    source: str = ""
    """Where a format takes it from; empty in an event's own JSON, and where the format lacks it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A whole event."""

    event: str
    version: int
    fields: tuple[FieldStory, ...]
    refused: str | None = None
    """Why the event was rejected or dropped as a whole, if it was."""


def explain_schema(schema: EventSchema, format_: Format | None = None) -> Explanation:
    """Explain the treatment of every field, without an event; with a format, where it is found."""
    stories = []
    for field in schema.fields:
        stored = {column.name: None for column in field.columns}
        lacks = format_ is not None and not _source(field, format_)
        stories.append(_story(field, stored, "absent" if lacks else "", format_))
    return Explanation(schema.event, schema.version, tuple(stories))


def _source(field: Field, format_: Format | None) -> str:
    """Where a format takes a field from, in the words of the format; empty if it has none."""
    if format_ is None:
        return ""
    if field.name in ("event", "version"):
        return "constant"
    rule = next((one for one in format_.rules if one.field == field.name), None)
    return "" if rule is None else _origin(rule)


def _origin(rule: Rule) -> str:
    if rule.constant is not None:
        return "constant"
    names = " + ".join(".".join(source) for source in rule.sources)
    if rule.minus is not None:
        names += f" - {'.'.join(rule.minus)}"
    return names if rule.otherwise is None else f"{names}, else {'.'.join(rule.otherwise)}"


def _story(
    field: Field, stored: Mapping[str, object], fate: str = "", format_: Format | None = None
) -> FieldStory:
    return FieldStory(
        field=field.name,
        fate=fate or field.treatment.fate,
        how=field.treatment.in_words(),
        stored=stored,
        purpose=field.purpose,
        comment=field.comment,
        source=_source(field, format_),
    )


def explain_event(
    message: bytes,
    schemas: tuple[EventSchema, ...],
    rules: Rules,
    format_: Format | None = None,
) -> Explanation:
    """Decode and anonymize one message, and explain field by field what would be stored.

    Of a line with many records (OTLP), the first is explained.
    """
    schema = schemas[-1]
    raw = decode_messages([message], schemas, format_)
    if raw.rows.num_rows == 0:
        refused = refusals([message], schemas, format_)
        return Explanation(schema.event, schema.version, (), _refusal(raw, refused))
    raw = replace(raw, rows=raw.rows.slice(0, 1))
    clean = anonymize_batch(raw, schemas, rules)
    if clean.rows.num_rows == 0:
        return Explanation(schema.event, schema.version, (), _refusal(clean))
    row = clean.rows.to_pylist()[0]
    stories = []
    for field in schema.fields:
        stored = {column.name: row[column.name] for column in field.columns}
        absent = not raw.rows.column(field.name)[0].is_valid
        lost = bool(stored) and not absent and all(value is None for value in stored.values())
        fate = "absent" if absent else "made null" if lost else ""
        stories.append(_story(field, stored, fate, format_))
    return Explanation(schema.event, schema.version, tuple(stories))


def _refusal(batch: RawBatch | CleanBatch, refused: Mapping[Refusal, int] = _NONE) -> str:
    if batch.dropped:
        return f"dropped: {next(iter(batch.dropped)).value}"
    return f"rejected: {with_fields(Reason(batch.rejected.column('reason')[0].as_py()), refused)}"
