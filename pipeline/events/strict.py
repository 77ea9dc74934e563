"""The strict decoder: one message at a time, every rule of decoding written out.

It is the definition of what a message means. The columnar path exists for speed alone and hands
over every message of which it is not sure; property tests hold the two together. A refusal is a
`Reason`; no exception, and no text of one, leaves this module, because parsers put the payload
into their messages.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from pipeline.events.model import UNREADABLE, Reason
from pipeline.events.schema import TEXT_LIMIT, EventSchema, FieldType
from pipeline.events.times import parse_date, parse_time

MAX_SIZE: Final = 64 * 1024
MAX_DEPTH: Final = 6
MAX_KEYS: Final = 100
INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

Value = str | int | float | list[str] | None
"""What a field of a `Record` holds: times as microseconds, dates as days since 1970."""
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


_Read = tuple[Value, Reason | None]
"""A field's value, and why it could not be read."""

_BLANK = b" \t\r\n"
_INTEGER_DIGITS = 19
_BRACKETS = re.compile(rb'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Kind(Enum):
    """What kind of JSON value an undeclared key had."""

    NULL = "null"
    TEXT = "string"
    NUMBER = "number"
    FLAG = "bool"
    NESTED = "nested"


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """A message that was understood. Holds identifiers; never shown."""

    values: tuple[Value, ...]
    """One value for each field of the newest schema, in its order."""
    nulled: tuple[tuple[str, str], ...]
    """(field, why) for each value that could not be read."""
    undeclared: Mapping[str, Kind]
    """Names outside the newest schema; they serve the columnar path and go no further."""


class _Refused(Exception):
    """Carries a reason, and nothing else, out of the JSON parser."""

    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.reason = reason


class _Parser:
    """JSON text to values, with the limits that concern one record."""

    def __init__(self) -> None:
        self._keys = 0
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )

    def parse(self, text: str) -> Json:
        """The value of `text`; raises `_Refused` for anything that is not strict JSON."""
        self._keys = 0
        try:
            value: Json = self._decoder.decode(text)
        except ValueError:  # its text, position and `doc` show the payload: drop them here
            raise _Refused(Reason.NOT_JSON) from None
        return value

    def _object(self, pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        self._keys += len(pairs)
        if self._keys > MAX_KEYS:
            raise _Refused(Reason.TOO_MANY_KEYS)
        found = dict(pairs)
        if len(found) != len(pairs):
            raise _Refused(Reason.DUPLICATE_KEY)
        return found


def _integer(digits: str) -> int:
    if len(digits) - (digits[0] == "-") > _INTEGER_DIGITS:
        raise _Refused(Reason.NUMBER_OUT_OF_RANGE)
    number = int(digits)
    if not INT64_MIN <= number <= INT64_MAX:
        raise _Refused(Reason.NUMBER_OUT_OF_RANGE)
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _Refused(Reason.NUMBER_OUT_OF_RANGE)
    return number


def _constant(_: str) -> float:
    raise _Refused(Reason.NOT_JSON)  # NaN, Infinity, -Infinity


class StrictDecoder:
    """Decodes single messages of one event, in any of its known versions."""

    def __init__(self, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the versions of one event, ascending."""
        self._newest = schemas[-1]
        self._names = {field.name: at for at, field in enumerate(self._newest.fields)}
        self._plans = {schema.version: _plan(schema, self._names) for schema in schemas}
        self._parser = _Parser()

    def decode(self, message: bytes) -> Record | Reason:
        """What the message says, or why it is refused. Never raises on account of the data."""
        try:
            value = self._parse(message)
            if not isinstance(value, dict):
                return Reason.NOT_OBJECT
            return self._record(value)
        except _Refused as refusal:
            return refusal.reason

    def _parse(self, message: bytes) -> Json:
        if len(message) > MAX_SIZE:
            raise _Refused(Reason.TOO_LARGE)
        if not message.strip(_BLANK):
            raise _Refused(Reason.EMPTY)
        try:
            text = message.decode("utf-8")
        except UnicodeDecodeError:
            raise _Refused(Reason.NOT_UTF8) from None
        if "\0" in text:
            raise _Refused(Reason.FORBIDDEN_CHARACTER)
        if message.count(b"{") + message.count(b"[") > MAX_DEPTH:
            _check_depth(message)
        value = self._parser.parse(text)
        if b"\\u" in message or len(message) > TEXT_LIMIT:
            _check_texts(value)
        return value

    def _record(self, raw: dict[str, Json]) -> Record:
        plan = self._plans[self._version(raw)]
        values: list[Value] = [None] * len(self._newest.fields)
        nulled: list[tuple[str, str]] = []
        undeclared: dict[str, Kind] = {}
        for name, value in raw.items():
            declared = plan.fields.get(name)
            if declared is None:
                if name not in self._names:
                    undeclared[name] = _kind(value)
            elif value is None or value == "":
                continue  # not reported
            elif declared.text and type(value) is str:
                values[declared.at] = value
            else:
                values[declared.at], problem = declared.read(value)
                if problem is not None:
                    if declared.decisive:
                        raise _Refused(problem)
                    nulled.append((name, problem.value))
        for at in plan.required:
            if values[at] is None:
                raise _Refused(Reason.MISSING_FIELD)
        return Record(tuple(values), tuple(nulled), undeclared)

    def _version(self, raw: dict[str, Json]) -> int:
        event, version = raw.get("event"), raw.get("version")
        if event is None or event == "":
            raise _Refused(Reason.MISSING_FIELD)
        if not isinstance(event, str):
            raise _Refused(Reason.INVALID_TYPE)
        if event != self._newest.event:
            raise _Refused(Reason.WRONG_EVENT)
        if version is None or version == "":
            raise _Refused(Reason.MISSING_FIELD)
        if isinstance(version, bool) or not isinstance(version, int):
            raise _Refused(Reason.INVALID_TYPE)
        if version not in self._plans:
            raise _Refused(Reason.UNKNOWN_VERSION)
        return version


class _Declared(NamedTuple):
    """How one field of one schema version is read."""

    at: int
    """Index in a `Record`."""
    text: bool
    """A text is the value as it stands."""
    read: Callable[[Json], _Read]
    decisive: bool
    """Refuse the message when the value cannot be read: it may not be missing, or it decides
    whose event it is. An account id that is a number must not become "no account", which would
    pass the opt-out."""


class _Plan(NamedTuple):
    """How the messages of one schema version are read."""

    fields: Mapping[str, _Declared]
    required: tuple[int, ...]


def _plan(schema: EventSchema, places: Mapping[str, int]) -> _Plan:
    fields = {
        field.name: _Declared(
            places[field.name],
            field.type in (FieldType.STRING, FieldType.IDENTIFIER),
            _READERS[field.type],
            field.required or field.type is FieldType.IDENTIFIER,
        )
        for field in schema.fields
    }
    return _Plan(fields, tuple(places[field.name] for field in schema.fields if field.required))


def _check_depth(message: bytes) -> None:
    """Refuse deep nesting before the parser, which is recursive, meets it."""
    depth = 0
    for match in _BRACKETS.finditer(message):
        mark = match[0][:1]
        if mark in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise _Refused(Reason.TOO_DEEP)
        elif mark in b"}]":
            depth -= 1


def _check_texts(value: Json) -> None:
    """Refuse NUL, lone surrogates and long texts, in values and names, declared or not."""
    if isinstance(value, str):
        if "\0" in value or _SURROGATE.search(value):
            raise _Refused(Reason.FORBIDDEN_CHARACTER)
        if len(value) * 4 > TEXT_LIMIT and len(value.encode("utf-8")) > TEXT_LIMIT:
            raise _Refused(Reason.STRING_TOO_LONG)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_texts(name)
            _check_texts(item)


def _kind(value: Json) -> Kind:
    if value is None:
        return Kind.NULL
    if isinstance(value, str):
        return Kind.TEXT
    if isinstance(value, bool):
        return Kind.FLAG
    if isinstance(value, int | float):
        return Kind.NUMBER
    return Kind.NESTED


def _read_text(value: Json) -> _Read:
    return (value, None) if isinstance(value, str) else (UNREADABLE, Reason.INVALID_TYPE)


def _read_int(value: Json) -> _Read:
    if isinstance(value, int) and not isinstance(value, bool):
        return value, None
    return None, Reason.INVALID_TYPE


def _read_float(value: Json) -> _Read:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), None
    return None, Reason.INVALID_TYPE


def _read_time(value: Json) -> _Read:
    if not isinstance(value, str):
        return None, Reason.INVALID_TYPE
    micros = parse_time(value)
    return micros, None if micros is not None else Reason.INVALID_TIME


def _read_date(value: Json) -> _Read:
    if not isinstance(value, str):
        return None, Reason.INVALID_TYPE
    days = parse_date(value)
    return days, None if days is not None else Reason.INVALID_TIME


def _read_list(value: Json) -> _Read:
    if not isinstance(value, list):
        return None, Reason.INVALID_TYPE
    texts: list[str] = []
    for item in value:
        if isinstance(item, str):
            if item:
                texts.append(item)
        elif item is not None:
            return None, Reason.INVALID_TYPE
    return texts, None


def _read_signal(value: Json) -> _Read:
    if isinstance(value, str):
        return signal(value), None
    if isinstance(value, list):
        on = any(isinstance(item, str) and signal(item) for item in value)
        return "1" if on else None, None
    return None, None


def signal(text: str) -> str | None:
    """`"1"` if one of the header's comma-separated values is exactly that, else None."""
    return "1" if any(part.strip(" \t") == "1" for part in text.split(",")) else None


_READERS = {
    FieldType.STRING: _read_text,
    FieldType.IDENTIFIER: _read_text,
    FieldType.INT64: _read_int,
    FieldType.FLOAT64: _read_float,
    FieldType.TIMESTAMP: _read_time,
    FieldType.DATE: _read_date,
    FieldType.LIST: _read_list,
    FieldType.SIGNAL: _read_signal,
}
