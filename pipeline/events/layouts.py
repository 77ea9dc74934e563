"""What messages have in common that differ in nothing but their values.

Producers write the same names in the same order over and over. A `Layout` is what such messages
share: constant bytes (names, punctuation, the event and its version, literals) with slots
between them, and how many quotes there are. `matching` proves that a message has a layout;
`familiar` keeps the layouts that occur. They hold names, which can be identifiers: a layout is
never logged, stored or pickled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pipeline.events.numerals import INTEGER, PLAIN
from pipeline.events.schema import TEXT_TYPES, EventSchema, FieldType

_TEXT: Final = rb'"[^"\\]*"'
_LIST: Final = rb"\[ *(?:" + _TEXT + rb"(?: *, *" + _TEXT + rb")*+)? *\]"
_MEMBER: Final = re.compile(
    rb' *"(?P<name>[^"\\]*)" *: *(?P<value>'
    + rb"|".join((_TEXT, _LIST, rb"true|false|null", PLAIN.encode()))
    + rb") *(?P<next>[,}])"
)
_FIXED: Final = (b"event", b"version")


@dataclass(frozen=True, slots=True, repr=False)
class Slot:
    """Where a value stands: from one quote (and some bytes) to the next (less some bytes)."""

    field: int | None
    """Index of the declared field; None for a value that is only checked and dropped."""
    text: bool
    """A text, which fills the space between two quotes; or else a number."""
    quote: int
    """The slot begins after this quote and ends before the next one, or the message's end."""
    after: int
    before: int


@dataclass(frozen=True, slots=True, repr=False)
class Layout:
    """Constants and slots in turn: `constants[0] slots[0] constants[1] ... constants[-1]`."""

    quotes: int
    constants: tuple[bytes, ...]
    slots: tuple[Slot, ...]
    empty_lists: frozenset[int]
    """Declared lists that have no item, and so no slot."""


def layout_of(schema: EventSchema, message: bytes) -> Layout | None:
    """The layout of a message that the strict decoder accepts, or None if it has none.

    Messages with escapes, exponents, values of a wrong kind, nesting other than a declared list
    of texts, or another version than the newest have none.
    """
    draft = _Draft(schema, message)
    at = 1
    last = b","
    while last == b",":
        match = _MEMBER.match(message, at)
        if match is None or not draft.add(match):
            return None
        at, last = match.end(), match["next"]
    return draft.layout() if at == len(message) else None


class _Draft:
    """A layout in the making: `add` takes the message's members in turn."""

    def __init__(self, schema: EventSchema, message: bytes) -> None:
        self._schema = schema
        self._message = message
        self._fields = {field.name.encode(): at for at, field in enumerate(schema.fields)}
        self._fixed = {
            b"event": f'"{schema.event}"'.encode(),
            b"version": str(schema.version).encode(),
        }
        self._quotes = 0
        self._done = 0
        self._constants: list[bytes] = []
        self._slots: list[Slot] = []
        self._empty: list[int] = []

    def add(self, member: re.Match[bytes]) -> bool:
        """Take one member; False if its message has no layout."""
        name, value, begin = member["name"], member["value"], member.start("value")
        field = self._fields.get(name)
        self._quotes += 2
        if name in _FIXED:
            self._quotes += value.count(b'"')
            return self._fixed.pop(name, None) == value
        if not self._fits(field, value):
            return False
        if value.startswith(b"["):
            texts = list(re.finditer(_TEXT, value))
            if field is not None and not texts:
                self._empty.append(field)
            for text in texts:
                self._slot(field, begin + text.start() + 1, begin + text.end() - 1)
        elif value.startswith(b'"'):
            self._slot(field, begin + 1, member.end("value") - 1)
        elif value not in (b"null", b"true", b"false"):
            self._slot(field, begin, member.end("value"))
        return True

    def _fits(self, field: int | None, value: bytes) -> bool:
        if field is None:
            return not value.startswith(b"[")
        kind = self._schema.fields[field].type
        if value == b"null":
            return True
        if value.startswith(b"["):
            return kind is FieldType.LIST
        if value.startswith(b'"'):
            return kind in TEXT_TYPES
        if kind is FieldType.INT64:
            return re.fullmatch(INTEGER.encode(), value) is not None
        return kind is FieldType.FLOAT64 and value not in (b"true", b"false")

    def _slot(self, field: int | None, begin: int, end: int) -> None:
        message = self._message
        text = message[begin - 1 : begin] == b'"'
        following = message.find(b'"', end)
        after = begin - 1 - message.rindex(b'"', 0, begin)
        before = (following if following >= 0 else len(message)) - end
        quote = self._quotes if text else self._quotes - 1
        self._slots.append(Slot(field, text, quote, after, before))
        self._constants.append(message[self._done : begin])
        self._done = end
        self._quotes += 2 * text

    def layout(self) -> Layout | None:
        """The finished layout; None if event or version did not come or nothing varies."""
        if self._fixed or not self._slots:
            return None
        constants = (*self._constants, self._message[self._done :])
        return Layout(self._quotes, constants, tuple(self._slots), frozenset(self._empty))
