"""What the operations of a format do to one value: the specification, value by value.

The kernel does the same for whole columns. Nothing here raises: what cannot be read is None or
`UNREADABLE`, as in `pipeline.events.decode.strict`.
"""

from __future__ import annotations

import math
import re
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.events.decode.strict_json import INT64_MAX, INT64_MIN
from pipeline.events.decode.times import parse_time
from pipeline.events.formats.model import PLACEHOLDERS, Decoding, Part, Take, Time, Unit
from pipeline.events.model import UNREADABLE

Spans = TypeVar("Spans", float, npt.NDArray[np.float64])

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"(-?[0-9]{1,32}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,4})?)(ns|us|ms|s)?")
_UNIX = re.compile(r"([0-9]{1,19})(?:\.([0-9]{0,32}))?")
_CLF = re.compile(
    r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}:[0-9]{2}:[0-9]{2}) ([+-][0-9]{2})([0-9]{2})"
)
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_UTC = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)")
_LAST_SECOND = 253_402_300_799
"""The end of year 9999."""

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_REQUEST = re.compile(r"([A-Za-z_-]{1,32}) ([^ ].*?)(?: HTTP/[0-9](?:\.[0-9])?)?", re.DOTALL)
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://[^/?#]*")

_SCALE: Final = {Unit.S: 1_000.0, Unit.MS: 1.0, Unit.US: 1_000.0, Unit.NS: 1_000_000.0}
_DIGITS: Final = {Time.UNIX_S: 6, Time.UNIX_MS: 3, Time.UNIX_US: 0, Time.UNIX_NS: -3}


def taken(text: str, take: Take) -> str:
    """One item of a list that is written with commas.

    >>> taken("192.0.2.7, 198.51.100.2", Take.LAST)
    '198.51.100.2'
    """
    item = text.partition(",")[0] if take is Take.FIRST else text.rpartition(",")[2]
    return item.strip(" \t")


def decoded(text: str, steps: tuple[Decoding, ...]) -> str:
    """The text without its writer's escapes; `UNREADABLE` if no text is left.

    >>> decoded("a%2520b", (Decoding.PERCENT, Decoding.PERCENT))
    'a b'
    """
    for step in steps:
        raw = text.encode("utf-8")
        if step is Decoding.PLUS:
            raw = raw.replace(b"+", b" ")
        elif step is Decoding.PERCENT:
            raw = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), raw)
        else:
            raw = _ESCAPE.sub(_unescaped, raw)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return UNREADABLE
        if "\0" in text:
            return UNREADABLE
    return text


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes.fromhex(match[1].decode())
    return _ESCAPED.get(match[2], match[2])


def part_of(text: str, part: Part) -> str | None:
    """The method of a request line, or the path of a request line, URL or path; None without one.

    >>> part_of("GET https://example.com:443/v1/me?x=1 HTTP/1.1", Part.PATH)
    '/v1/me'
    """
    line = _REQUEST.fullmatch(text)
    if part is Part.METHOD:
        return line[1] if line else None
    target = line[2] if line else text
    origin = _ORIGIN.match(target)
    if origin is not None:
        target = target[origin.end() :]
        if not target.startswith("/"):
            return "/"
    if not target.startswith("/"):
        return None
    return target.partition("#")[0].partition("?")[0]


def is_placeholder(identifier: str) -> bool:
    """Whether an identifier is one that identifies nobody."""
    return not identifier.strip(" \t") or identifier.lower() in PLACEHOLDERS


def integer(text: str) -> int | None:
    """A decimal integer of 64 bits."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if INT64_MIN <= number <= INT64_MAX else None


def number(text: str, unit: Unit | None = None) -> float | None:
    """A decimal number; with `unit` a span of time in milliseconds, also as `12ms`.

    >>> number("0.25", Unit.S), number("12ms", Unit.S)
    (250.0, 12.0)
    """
    match = _NUMBER.fullmatch(text)
    if match is None or (match[2] and unit is None):
        return None
    value = float(match[1])
    if unit is not None:
        value = in_milliseconds(value, Unit(match[2]) if match[2] else unit)
    return value if math.isfinite(value) else None


def in_milliseconds(value: Spans, unit: Unit) -> Spans:
    """A span of time in milliseconds."""
    return value * _SCALE[unit] if unit in (Unit.S, Unit.MS) else value / _SCALE[unit]


def time_of(text: str, kinds: tuple[Time, ...]) -> int | None:
    """Microseconds since 1970, if the text is a time of one of these kinds."""
    for kind in kinds:
        micros = _time(text, kind)
        if micros is not None:
            return micros
    return None


def _time(text: str, kind: Time) -> int | None:
    if kind is Time.RFC3339:
        return parse_time(text)
    if kind is Time.UTC:
        match = _UTC.fullmatch(text)
        return None if match is None else parse_time(f"{match[1]}T{match[2]}Z")
    if kind is Time.CLF:
        match = _CLF.fullmatch(text)
        if match is None or match[2] not in _MONTHS:
            return None
        day, month = match[1], _MONTHS.index(match[2]) + 1
        return parse_time(f"{match[3]}-{month:02}-{day}T{match[4]}{match[5]}:{match[6]}")
    return _unix(text, _DIGITS[kind])


def _unix(text: str, digits: int) -> int | None:
    match = _UNIX.fullmatch(text)
    if match is None:
        return None
    micros = int(match[1]) * 10**digits if digits >= 0 else int(match[1]) // 1_000
    micros += int((match[2] or "0")[:digits].ljust(digits, "0") if digits > 0 else "0")
    return micros if micros <= _LAST_SECOND * 1_000_000 + 999_999 else None
