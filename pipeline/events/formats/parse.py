"""Reads a format file (TOML) and checks it against the schemas that it has to fit.

A format does not load if it names anything unknown: a key, an operation, a raw field that the
schema does not declare, an operation that does not apply to a field of this type. Formats belong to
the operator, so messages may quote them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from pipeline.errors import SchemaError
from pipeline.events.decode.strict_json import MAX_DEPTH
from pipeline.events.documents import Section, suggest
from pipeline.events.formats.layouts import names_of, read_layout, read_word
from pipeline.events.formats.model import (
    NULL_WORDS,
    POSITION,
    Decoding,
    Envelope,
    Format,
    Layout,
    Part,
    Reads,
    Rule,
    Source,
    Take,
    Time,
    Unit,
)
from pipeline.events.schema import (
    ACCOUNT_FIELD,
    SIGNAL_FIELDS,
    EventSchema,
    Field,
    FieldType,
)
from pipeline.parsing import parse_toml

Word = TypeVar("Word", bound=StrEnum)

DEEPEST = 16
"""How deep envelopes may be nested; for a message the limit in PRIVACY still holds."""

_NAMES = re.compile(r'"([^"]+)"|([^."]+)')
_PATH = re.compile(r'(?:"[^"]+"|[^."]+)(?:\.(?:"[^"]+"|[^."]+))*')
_TEXTS = frozenset({FieldType.STRING, FieldType.IDENTIFIER})
_NUMBERS = frozenset({FieldType.INT64, FieldType.FLOAT64})
_ALL = frozenset(FieldType)
_FITS = {
    "from": _ALL,
    "value": frozenset({FieldType.STRING, FieldType.INT64}),
    "else": _TEXTS,
    "minus": frozenset({FieldType.FLOAT64}),
    "null": _TEXTS | _NUMBERS | {FieldType.DATE},
    "negative": _NUMBERS,
    "unit": frozenset({FieldType.FLOAT64}),
    "time": frozenset({FieldType.TIMESTAMP}),
    "take": _ALL - {FieldType.LIST, FieldType.SIGNAL},
    "decode": _TEXTS,
    "part": _TEXTS,
}
"""Which types of field each operation applies to."""


def parse_format(
    text: str, name: str, where: str, schemas: Mapping[str, tuple[EventSchema, ...]]
) -> Format:
    """Parse one format file; `schemas` are the schemas of every event, versions ascending.

    Raises SchemaError naming `where`, the key and what to do.
    """
    document = Section(_document(text, where), where)
    comment = _required(document, "comment", 'comment = "..."')
    event = _required(document, "event", 'event = "api_request"')
    if event not in schemas:
        raise document.refuse(
            f"there is no schema of the event {event!r}",
            f"Use one of {', '.join(sorted(schemas))}{suggest(event, schemas)}",
        )
    schema = _version(document, schemas[event])
    reads = read_word(document, "reads", _required(document, "reads", 'reads = "json"'), Reads)
    envelope = read_word(document, "envelope", document.text("envelope", "none"), Envelope)
    layout = read_layout(document, reads)
    depth = document.integer("depth", DEEPEST if reads is Reads.OTLP else MAX_DEPTH)
    if not MAX_DEPTH <= depth <= DEEPEST:
        raise document.refuse("depth is out of range", f"Write {MAX_DEPTH} to {DEEPEST}")
    null = document.texts_or_text("null") if "null" in document else NULL_WORDS
    if "fields" not in document:
        raise document.refuse("[fields] is missing", "Say where each raw field comes from")
    declared = dict(document.sections("fields"))
    document.close()
    rules = _Rules(schema, reads, layout, null).read(declared, document)
    return Format(
        name=name,
        comment=comment,
        event=event,
        version=schema.version,
        reads=reads,
        envelope=envelope,
        layout=layout,
        rules=rules,
        depth=depth,
        warnings=_warnings(schema, rules),
    )


def _document(text: str, where: str) -> Mapping[str, object]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise SchemaError(
            "the format is not TOML",
            where=where,
            why=str(error),
            remedy='Write name = "text" or name = ["a", "b"], and fields below [fields]',
        ) from None


def _required(section: Section, key: str, example: str) -> str:
    if key not in section:
        raise section.refuse(f"{key!r} is missing", f"Add {example}")
    return section.text(key)


def _version(document: Section, versions: tuple[EventSchema, ...]) -> EventSchema:
    known = {schema.version: schema for schema in versions}
    number = document.integer("version", versions[-1].version)
    if number not in known:
        raise document.refuse(
            f"the event has no version {number}",
            f"Use one of {', '.join(map(str, known))}, or leave it out for the newest",
        )
    return known[number]


class _Rules:
    """Reads the rules of one format."""

    def __init__(
        self, schema: EventSchema, reads: Reads, layout: Layout, null: tuple[str, ...]
    ) -> None:
        self._schema = schema
        self._is_json = reads.is_json
        self._names = names_of(layout) if reads is not Reads.W3C else ()
        self._null = null

    def read(self, declared: Mapping[str, Section], document: Section) -> tuple[Rule, ...]:
        """The rules in the order of the schema's fields; refuses unknown and absent ones."""
        fields = {field.name: field for field in self._schema.fields}
        for constant in ("event", "version"):
            fields.pop(constant)
            if constant in declared:
                raise document.refuse(
                    f"{constant!r} is not a field of a format",
                    f"Write {constant} = ... at the top: it is the same for every message",
                )
        for name in declared:
            if name not in fields:
                raise document.refuse(
                    f"{name!r} is not a raw field of {self._schema.event}",
                    f"Use the names of the schema{suggest(name, fields)}",
                )
        missing = [one.name for one in fields.values() if one.required and one.name not in declared]
        if missing:
            raise document.refuse(
                f"the format says nothing of {', '.join(missing)}",
                f"Every {self._schema.event} must have them: add a line below [fields]",
            )
        rules = tuple(
            self._rule(field, declared[name]) for name, field in fields.items() if name in declared
        )
        self._check_shared(rules, document)
        return rules

    def _rule(self, field: Field, section: Section) -> Rule:
        for key, fits in _FITS.items():
            if field.type is FieldType.LIST and not self._is_json:
                raise section.refuse("a text holds no list", "Remove the field")
            if key in section and field.type not in fits:
                raise section.refuse(
                    f"{key!r} does nothing to a field of type {field.type.value}", "Remove it"
                )
        if ("from" in section) == ("value" in section):
            raise section.refuse(
                "a field has either a source or a value",
                'Write { from = "..." } or { value = ... }',
            )
        if "value" in section:
            rule = Rule(field.name, field.type, constant=_constant(section, field))
        else:
            rule = self._sourced(field, section)
        section.close()
        return rule

    def _sourced(self, field: Field, section: Section) -> Rule:
        single = "decode" in section or "part" in section or field.type not in _NUMBERS
        rule = Rule(
            field=field.name,
            kind=field.type,
            sources=tuple(self._source(text, section) for text in section.texts_or_text("from")),
            otherwise=self._optional(section, "else"),
            minus=self._optional(section, "minus"),
            null=section.texts_or_text("null") if "null" in section else self._null,
            no_negative=section.text("negative", "keep") == "null",
            unit=_optional_word(section, "unit", Unit),
            times=_words(section, "time", Time),
            take=_optional_word(section, "take", Take),
            splits=not self._is_json,
            decode=_words(section, "decode", Decoding),
            part=_optional_word(section, "part", Part),
        )
        if not rule.sources:
            raise section.refuse("'from' names nothing", "Name a value of the line")
        joined = rule.times == (Time.UTC,) and len(rule.sources) == 2
        if single and len(rule.sources) != 1 and not joined:
            raise section.refuse(
                "several sources are added up, which only numbers can be",
                "Name one; `else` names a second one for where the first is missing",
            )
        if field.type is FieldType.TIMESTAMP and not rule.times:
            raise section.refuse("'time' is missing", 'Say how it is written: time = "rfc3339"')
        if sum(time.value.startswith("unix") for time in rule.times) > 1:
            raise section.refuse("two counts of the same digits cannot be told apart", "Keep one")
        if rule.unit is not None and field.unit != "ms":
            raise section.refuse("the field is not a span of time in ms", "Remove 'unit'")
        if POSITION in (*rule.sources, rule.otherwise) and field.type is not FieldType.IDENTIFIER:
            raise section.refuse("'@position' is an identifier", "Name a value of the line")
        if rule.minus is not None and len(rule.sources) != 1:
            raise section.refuse("'minus' takes one number off another", "Name one source")
        return rule

    def _optional(self, section: Section, key: str) -> Source | None:
        return self._source(section.text(key), section) if key in section else None

    def _source(self, text: str, section: Section) -> Source:
        if text == POSITION[0]:
            return POSITION
        if text.startswith("@"):
            raise section.refuse(f"{text!r} is not known", "Only '@position' begins with @")
        if not self._is_json:
            if self._names and text not in self._names:
                raise section.refuse(
                    f"the lines have no {text!r}",
                    f"Use one of {', '.join(self._names)}{suggest(text, self._names)}",
                )
            return (text,)
        if not _PATH.fullmatch(text):
            raise section.refuse(
                f"{text!r} is not a path",
                """Write a.b.c, and names with a dot in quotes: a."b.c" """,
            )
        return tuple(match[1] or match[2] for match in _NAMES.finditer(text))

    def _check_shared(self, rules: tuple[Rule, ...], document: Section) -> None:
        """Refuse a value that is read in two ways: a message is parsed only once."""
        if not self._is_json:
            return
        ways: dict[Source, str] = {}
        for rule in rules:
            way = shape_of(rule)
            for source in rule.reads:
                if ways.setdefault(source, way) != way:
                    raise document.refuse(
                        f"{rule.field!r} and another field read one value in two ways",
                        "Use the same 'take' for both",
                    )


def shape_of(rule: Rule) -> str:
    """How the values of a rule are taken out of a message."""
    if rule.kind in (FieldType.SIGNAL, FieldType.LIST):
        return str(rule.kind.value)
    return "scalar" if rule.take is None else str(rule.take)


def _constant(section: Section, field: Field) -> str | int:
    if field.type is FieldType.INT64:
        return section.integer("value")
    return section.text("value")


def _optional_word(section: Section, key: str, kind: type[Word]) -> Word | None:
    return read_word(section, key, section.text(key), kind) if key in section else None


def _words(section: Section, key: str, kind: type[Word]) -> tuple[Word, ...]:
    if key not in section:
        return ()
    return tuple(read_word(section, key, text, kind) for text in section.texts_or_text(key))


def _warnings(schema: EventSchema, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """What cannot work without the fields that the format does not carry."""
    carried = {rule.field for rule in rules}
    declared = {field.name for field in schema.fields}
    found = []
    if ACCOUNT_FIELD in declared - carried:
        found.append(
            f"this format carries no {ACCOUNT_FIELD}: opt-out, erasure, access and figures by "
            "account do not apply to its events"
        )
    signals = [name for name in SIGNAL_FIELDS if name in declared - carried]
    if signals:
        found.append(
            f"this format carries no {' and no '.join(signals)}: who sends that header is counted "
            "like everybody else"
        )
    return tuple(found)
