"""From a line to named values, one line at a time: the specification of reading.

The kernel does the same for whole slices. A missing value is None or not named at all.
"""

from __future__ import annotations

import re

from pipeline.events.decode.strict_json import (
    MAX_KEYS,
    MAX_SIZE,
    Json,
    Refused,
    StrictJson,
    text_of,
)
from pipeline.events.formats.model import Envelope, Format, Pattern, Reads
from pipeline.events.formats.otlp import MAX_NAMES, flatten
from pipeline.events.model import Reason
from pipeline.events.schema import TEXT_LIMIT

MARK = b"\xef\xbb\xbf"
"""A byte order mark."""

DIRECTIVE = b"#Fields:"
"""Begins the line that names the columns of those that follow."""

STREAMS = ("stdout", "stderr")
COMPLETE = "F"
"""The tag of a line that the container runtime (CRI) has not split."""


class Lines:
    """Reads lines in their order. Remembers the columns that the last `#Fields:` named."""

    def __init__(self, format_: Format, header: bytes | None = None) -> None:
        """`header` as `Slice.header`."""
        self._format = format_
        self._columns = format_.layout.columns
        if format_.reads is Reads.W3C:
            self._columns = columns_of(header or b"", self._columns)
        self._is_followed = header is not None
        many = format_.reads is Reads.OTLP
        keys = MAX_NAMES if many else MAX_KEYS
        self._json = StrictJson(depth=format_.depth, keys=keys, as_written=True)
        self._record = StrictJson(as_written=True)
        self._docker = StrictJson(text=MAX_SIZE)

    def read(self, line: bytes) -> list[dict[str, Json] | Reason]:
        """Return the values of each record of a line, or why it is refused; none for a comment.

        Raises `Refused` for the line as a whole.
        """
        line = self._unwrapped(line)
        if self._format.reads.is_json:
            found = self._json.read(line)
            if not isinstance(found, dict):
                raise Refused(Reason.NOT_OBJECT)
            if self._format.reads is Reads.OTLP:
                return [self._message(message) for message in flatten(found)]
            return [found]
        if self._format.reads is Reads.W3C and is_comment(line):
            if self._is_followed:
                self._columns = columns_of(line, self._columns)
            return []
        values = _values(_checked(line), self._format, self._columns)
        if any(len(value.encode("utf-8")) > TEXT_LIMIT for value in values.values()):
            raise Refused(Reason.STRING_TOO_LONG)
        return [dict(values)]

    def _message(self, message: bytes) -> dict[str, Json] | Reason:
        try:
            found = self._record.read(message)
        except Refused as refusal:
            return refusal.reason
        assert isinstance(found, dict)
        return found

    def _unwrapped(self, line: bytes) -> bytes:
        """Return the line inside its envelope; one that the runtime has split is refused."""
        if self._format.envelope is Envelope.CRI:
            parts = _checked(line).split(" ", 3)
            if len(parts) != 4 or parts[1] not in STREAMS or parts[2] != COMPLETE:
                raise Refused(Reason.NOT_IN_FORMAT)
            return parts[3].encode("utf-8")
        if self._format.envelope is Envelope.DOCKER:
            found = self._docker.read(line)
            if not isinstance(found, dict):
                raise Refused(Reason.NOT_OBJECT)
            text = found.get("log")
            if not isinstance(text, str) or not text.endswith("\n"):
                raise Refused(Reason.NOT_IN_FORMAT)
            return text.removesuffix("\n").encode("utf-8")
        return line


def header_of(format_: Format) -> bytes:
    """The beginning of a line of the format that says how to read those after it."""
    return DIRECTIVE if format_.reads is Reads.W3C else b""


def is_comment(line: bytes) -> bool:
    """Whether a line of a W3C log says something about the lines that follow."""
    return line.removeprefix(MARK).startswith(b"#")


def columns_of(comment: bytes, known: tuple[str, ...]) -> tuple[str, ...]:
    """The columns after a comment: those that it names, or those known before."""
    comment = comment.removeprefix(MARK)
    if not comment.startswith(DIRECTIVE):
        return known
    return tuple(comment.removeprefix(DIRECTIVE).decode("utf-8", "replace").split())


def _checked(line: bytes) -> str:
    text = text_of(line)
    if line.startswith(MARK):
        raise Refused(Reason.FORBIDDEN_CHARACTER)
    return text.removesuffix("\r")


def _values(text: str, format_: Format, columns: tuple[str, ...]) -> dict[str, str]:
    layout = format_.layout
    if format_.reads is Reads.PATTERN:
        for pattern in layout.patterns:
            found = _fitted(text, pattern)
            if found is not None:
                return found
        raise Refused(Reason.NOT_IN_FORMAT)
    if format_.reads is Reads.QUOTED:
        values = _quoted(text)
        if values is None or len(values) < layout.least:
            raise Refused(Reason.NOT_IN_FORMAT)
        return _named(values, columns)
    values = text.split(layout.separator)
    if len(values) != len(columns):
        raise Refused(Reason.NOT_IN_FORMAT)
    return _named(values, columns)


def _named(values: list[str], columns: tuple[str, ...]) -> dict[str, str]:
    """Values by column; one without a named column has a number, which no source can name."""
    return {columns[at] if at < len(columns) else f" {at}": one for at, one in enumerate(values)}


def _fitted(text: str, pattern: Pattern) -> dict[str, str] | None:
    """The captures of a pattern that fits the line as a whole."""
    if not text.startswith(pattern.lead):
        return None
    at = len(pattern.lead)
    found: dict[str, str] = {}
    for name, literal in pattern.captures:
        stop = _end(text, at, literal)
        if stop < 0:
            return None
        found[name] = text[at:stop]
        at = stop + len(literal)
    return found if at == len(text) else None


def _end(text: str, at: int, literal: str) -> int:
    """Where a value that begins at `at` ends; below zero if it does not."""
    if not literal:
        return len(text)
    if not literal.startswith('"'):
        return text.find(literal, at)
    for mark in _MARKS.finditer(text, at):
        if text.startswith(literal, mark.start()):
            return mark.start()
    return -1


_MARKS = re.compile(r'"|\\.', re.DOTALL)
"""Quotes, and what is escaped."""

_VALUE = re.compile(r'"((?:[^"\\]|\\.)*+)"(?= |\Z)|([^" ][^ ]*|(?= |\Z))', re.DOTALL)


def _quoted(text: str) -> list[str] | None:
    """Values between spaces, quoted or not; None if a quote does not end before a space."""
    values: list[str] = []
    at = 0
    while True:
        match = _VALUE.match(text, at)
        if match is None:
            return None
        values.append(match[2] if match[1] is None else match[1])
        if match.end() == len(text):
            return values
        at = match.end() + 1
