"""Avro messages to JSON texts, by the schema that they were written with.

The values are those on the wire: logical types are ignored, so a time is its underlying number,
and bytes are null. A map is read as the list of pairs that it is on the wire: only this shows a
duplicate key, which every reader of maps drops silently.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Iterator, Mapping
from typing import Final

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from pipeline.events.decode.strict_json import Json, Refused
from pipeline.events.model import Reason
from pipeline.events.wire.model import Reader, Unusable, WriterSchema, as_json
from pipeline.parsing import parse_json

MAX_DEPTH: Final = 32
"""How deep types may be nested."""

_PAIR: Final = "telemetry_pair"
_KEY: Final = "telemetry_key"
_VALUE: Final = "telemetry_value"
_MALFORMED = (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)


def avro_reader(schema: WriterSchema) -> Reader:
    """The reader of one schema; raises `Unusable`."""
    names = (f"{_PAIR}_{number}" for number in itertools.count())
    known: dict[str, dict[str, Json]] = {}
    try:
        for text in (*schema.named, schema.text):
            plain = _plain(parse_json(text), names)
            if not isinstance(plain, (dict, list, str)):
                raise Unusable("it is no Avro schema")
            parsed = fastavro.parse_schema(plain, known)
            _check(parsed, known, frozenset(), 0)
    except Unusable:
        raise
    except (SchemaParseException, UnknownType, RecursionError, *_MALFORMED):
        raise Unusable("it is no Avro schema") from None
    has_maps = next(names) != f"{_PAIR}_0"

    def read(payload: bytes) -> bytes:
        stream = io.BytesIO(payload)
        try:
            value: object = fastavro.schemaless_reader(stream, parsed, None)
        except _MALFORMED:  # their texts show the payload
            raise Refused(Reason.NOT_IN_FORMAT) from None
        if stream.tell() != len(payload):
            raise Refused(Reason.NOT_IN_FORMAT)
        return as_json(_objects(value) if has_maps else value)

    return read


def _plain(schema: Json, names: Iterator[str]) -> Json:
    """The schema without logical types, with lists of pairs for maps."""
    if isinstance(schema, list):
        return [_plain(one, names) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "map":
        value = _plain(schema.get("values"), names)
        fields: Json = [{"name": _KEY, "type": "string"}, {"name": _VALUE, "type": value}]
        pair: Json = {"type": "record", "name": next(names), "namespace": "", "fields": fields}
        return {"type": "array", "items": pair}
    wanted = ("type", "name", "namespace", "symbols", "size", "items")
    kept = {key: _plain(schema[key], names) for key in wanted if key in schema}
    found = schema.get("fields")
    if isinstance(found, list):
        kept["fields"] = [
            {"name": one.get("name"), "type": _plain(one.get("type"), names)}
            for one in found
            if isinstance(one, dict)
        ]
    return kept


def _check(schema: Json, known: Mapping[str, Json], within: frozenset[str], depth: int) -> None:
    """Refuse types that a few bytes can make endless: without bytes, or nested in themselves."""
    if depth > MAX_DEPTH:
        raise Unusable("its types are nested too deeply")
    if isinstance(schema, list):
        for branch in schema:
            if branch != "null":
                _check(branch, known, within, depth + 1)
    elif isinstance(schema, str):
        if schema in within:
            raise Unusable("a type contains itself")
        if schema == "null":
            raise Unusable("a type takes no bytes")
        if schema in known:
            _check(known[schema], known, within, depth + 1)
    elif isinstance(schema, dict):
        fields = schema.get("fields")
        if fields == [] or schema.get("size") == 0:
            raise Unusable("a type takes no bytes")
        name = schema.get("name")
        inside = within | {name} if isinstance(name, str) else within
        for field in fields if isinstance(fields, list) else []:
            assert isinstance(field, dict)
            _check(field["type"], known, inside, depth + 1)
        if "items" in schema:
            _check(schema["items"], known, within, depth + 1)
        elif not isinstance(schema["type"], str):
            _check(schema["type"], known, within, depth + 1)


def _objects(value: object) -> object:
    """The value with objects for lists of pairs; raises `Refused` for a duplicate key."""
    if isinstance(value, dict):
        return {name: _objects(one) for name, one in value.items()}
    if not isinstance(value, list):
        return value
    if not value or not isinstance(value[0], dict) or _KEY not in value[0]:
        return [_objects(one) for one in value]
    pairs = [one for one in value if isinstance(one, dict)]
    found = {str(pair[_KEY]): _objects(pair[_VALUE]) for pair in pairs}
    if len(found) != len(value):
        raise Refused(Reason.DUPLICATE_KEY)
    return found
