"""How the text of a line is taken apart, as a format file declares it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypeVar

from pipeline.events.documents import Section, suggest
from pipeline.events.formats.model import Layout, Pattern, Reads

Word = TypeVar("Word", bound=StrEnum)

_CAPTURE = re.compile(r"\$([a-z][a-z0-9_]*)")
_SEPARATORS = {"space": " ", "tab": "\t"}


def read_layout(document: Section, reads: Reads) -> Layout:
    """Take `pattern`, `columns`, `separator` and `least`, as far as they apply here."""
    if reads is Reads.PATTERN:
        texts = _texts(document, "pattern", "pattern = '$remote_addr [$time_local] ...'")
        return Layout(patterns=tuple(_pattern(text, document) for text in texts))
    if reads.is_json:
        return Layout()
    columns: tuple[str, ...] = ()
    if reads is not Reads.W3C or "columns" in document:
        columns = _texts(document, "columns", 'columns = ["time", "status"]')
        if len(set(columns)) != len(columns):
            raise document.refuse("a column is named twice", "Give each its own name")
    if reads is Reads.QUOTED:
        least = document.integer("least", len(columns))
        if not 1 <= least <= len(columns):
            raise document.refuse("least is out of range", f"Write 1 to {len(columns)}")
        return Layout(columns=columns, least=least)
    if reads is Reads.TSV:
        return Layout(columns=columns, separator="\t")
    separator = document.text("separator", "space")
    if separator not in _SEPARATORS:
        raise document.refuse(f"{separator!r} is not a separator", "Use space or tab")
    return Layout(columns=columns, separator=_SEPARATORS[separator])


def names_of(layout: Layout) -> tuple[str, ...]:
    """Every value that lines may have, in the order of first occurrence."""
    captured = (name for one in layout.patterns for name, _ in one.captures)
    return tuple(dict.fromkeys((*captured, *layout.columns)))


def read_word(section: Section, key: str, value: str, kind: type[Word]) -> Word:
    """The word of a closed list; SchemaError with what was probably meant."""
    allowed = [item.value for item in kind]
    if value not in allowed:
        raise section.refuse(
            f"{value!r} is not a {key}",
            f"Use one of {', '.join(allowed)}{suggest(value, allowed)}",
        )
    return kind(value)


def _texts(document: Section, key: str, example: str) -> tuple[str, ...]:
    if key not in document:
        raise document.refuse(f"{key!r} is missing", f"Add {example}")
    texts = document.texts_or_text(key)
    if not texts or "" in texts:
        raise document.refuse(f"{key!r} holds an empty text", f"Write it as {example}")
    return texts


def _pattern(text: str, document: Section) -> Pattern:
    found = list(_CAPTURE.finditer(text))
    names = [match[1] for match in found]
    if not found or len(set(names)) != len(names):
        raise document.refuse(
            "a pattern names no value, or one twice", "Write $name where a value stands"
        )
    stops = [match.start() for match in found[1:]] + [len(text)]
    literals = [text[match.end() : stop] for match, stop in zip(found, stops, strict=True)]
    for name, literal in zip(names[:-1], literals[:-1], strict=True):
        if not literal:
            raise document.refuse(
                f"nothing tells where ${name} ends", "Leave a space or a quote between two values"
            )
    return Pattern(text[: found[0].start()], tuple(zip(names, literals, strict=True)))
