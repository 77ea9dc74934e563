"""The strict decoder: one message at a time, every rule of decoding written out.

It defines what a message means, and it runs where the kernel was not built. The kernel (Rust)
gives the same answers; property tests and a fuzzer hold the two together. What a message's bytes
may be is in `strict_json`, what its fields mean is here. A refusal is a `Reason`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.events.decode.strict_json import Json, Refused, StrictJson
from pipeline.events.decode.times import parse_date, parse_time
from pipeline.events.model import UNREADABLE, Reason
from pipeline.events.schema import EventSchema, FieldType

Value = str | int | float | list[str] | None
"""What a field of a `Record` holds: times as microseconds, dates as days since 1970."""

_Read = tuple[Value, Reason | None]
"""A field's value, and why it could not be read."""


@dataclass(frozen=True, slots=True, repr=False)
class Record:
    """A message that was understood. Holds identifiers; never shown."""

    values: tuple[Value, ...]
    """One value for each field of the newest schema, in its order."""
    nulled: tuple[tuple[str, Reason], ...]
    """(field, why) for each value that could not be read."""


class StrictDecoder:
    """Decodes single messages of one event, in any of its known versions."""

    def __init__(self, schemas: tuple[EventSchema, ...]) -> None:
        """`schemas` are the versions of one event, ascending."""
        self._newest = schemas[-1]
        places = {field.name: at for at, field in enumerate(self._newest.fields)}
        self._plans = {schema.version: _plan(schema, places) for schema in schemas}
        self._json = StrictJson()

    def decode(self, message: bytes) -> Record | Reason:
        """Return what the message says, or why it is refused. Never raises because of the data."""
        try:
            value = self._parse(message)
            if not isinstance(value, dict):
                return Reason.NOT_OBJECT
            return self._record(value)
        except Refused as refusal:
            return refusal.reason

    def _parse(self, message: bytes) -> Json:
        return self._json.read(message)

    def _record(self, raw: dict[str, Json]) -> Record:
        plan = self._plans[self._version(raw)]
        values: list[Value] = [None] * len(self._newest.fields)
        nulled: list[tuple[str, Reason]] = []
        for name, value in raw.items():
            declared = plan.fields.get(name)
            if declared is None or value is None or value == "":
                continue  # not declared, or not reported
            if declared.text and type(value) is str:
                values[declared.at] = value
            else:
                values[declared.at], problem = declared.read(value)
                if problem is not None:
                    if declared.decisive:
                        raise Refused(problem)
                    nulled.append((name, problem))
        for at in plan.required:
            if values[at] is None:
                raise Refused(Reason.MISSING_FIELD)
        return Record(tuple(values), tuple(nulled))

    def _version(self, raw: dict[str, Json]) -> int:
        event, version = raw.get("event"), raw.get("version")
        if event is None or event == "":
            raise Refused(Reason.MISSING_FIELD)
        if not isinstance(event, str):
            raise Refused(Reason.INVALID_TYPE)
        if event != self._newest.event:
            raise Refused(Reason.WRONG_EVENT)
        if version is None or version == "":
            raise Refused(Reason.MISSING_FIELD)
        if isinstance(version, bool) or not isinstance(version, int):
            raise Refused(Reason.INVALID_TYPE)
        if version not in self._plans:
            raise Refused(Reason.UNKNOWN_VERSION)
        return version


class _Declared(NamedTuple):
    """How one field of one schema version is read."""

    at: int
    """Index in a `Record`."""
    text: bool
    """Whether a text is the value as it is."""
    read: Callable[[Json], _Read]
    decisive: bool
    """See `Field.is_decisive`."""


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
            field.is_decisive,
        )
        for field in schema.fields
    }
    return _Plan(fields, tuple(places[field.name] for field in schema.fields if field.required))


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
