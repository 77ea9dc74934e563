"""From a line of OTLP/JSON logs to one flat message per log record: the specification.

A record becomes the text `{its single values, "attributes": {...}, "resource": {...}}` and is then
read like any other message, under the same limits. The kernel does the same (`otlp.rs`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from pipeline.events.decode.strict_json import Json, Refused, Written
from pipeline.events.model import Reason

MAX_NAMES: Final = 6_000
"""The most names in a line; each record may have as many as any message."""

_VALUES: Final = ("stringValue", "intValue", "doubleValue", "boolValue")


def flatten(line: dict[str, Json]) -> list[bytes]:
    """Return the messages of a line; raises `Refused` for one with another structure."""
    if "resourceLogs" not in line:
        raise _refusal()
    return list(_records(line["resourceLogs"]))


def _records(entries: Json) -> Iterator[bytes]:
    for entry in _list(entries):
        found = _object(entry)
        resource = "" if found.get("resource") is None else _members(_object(found["resource"]))
        for scope in _list_or_none(found.get("scopeLogs")):
            for record in _list_or_none(_object(scope).get("logRecords")):
                yield _message(_object(record), resource).encode("utf-8")


def _message(record: dict[str, Json], resource: str) -> str:
    parts = [
        f"{json.dumps(name, ensure_ascii=False)}:{_written(value)}"
        for name, value in record.items()
        if name not in ("attributes", "resource") and not isinstance(value, dict | list)
    ]
    parts += [f'"attributes":{{{_members(record)}}}', f'"resource":{{{resource}}}']
    return f"{{{','.join(parts)}}}"


def _members(owner: dict[str, Json]) -> str:
    """The attributes of a record or resource as the members of an object."""
    parts = []
    for item in _list_or_none(owner.get("attributes")):
        pair = _object(item)
        name = pair.get("key")
        if not isinstance(name, str):
            raise _refusal()
        value = pair.get("value")
        text = "null" if value is None else _any_value(_object(value))
        parts.append(f"{json.dumps(name, ensure_ascii=False)}:{text}")
    return ",".join(parts)


def _any_value(value: dict[str, Json]) -> str:
    """The single value of an `AnyValue`; `{}`, which nothing can read, for any other kind."""
    if not value:
        return "null"
    (name, found), *more = value.items()
    if more or name not in _VALUES or isinstance(found, dict | list):
        return "{}"
    return _written(found)


def _written(value: Json) -> str:
    return value.digits if isinstance(value, Written) else json.dumps(value, ensure_ascii=False)


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise _refusal()
    return value


def _list_or_none(value: Json) -> list[Json]:
    return [] if value is None else _list(value)


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _refusal()
    return value


def _refusal() -> Refused:
    return Refused(Reason.NOT_IN_FORMAT)
