"""Avro by the schema it was written with: values, what is refused, schemas that are unsafe."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from pipeline.events.decode.strict_json import Refused
from pipeline.events.model import Reason
from pipeline.events.wire.avro import avro_reader
from pipeline.events.wire.model import SchemaLanguage, Unusable, WriterSchema


def record(*fields: tuple[str, Any], name: str = "Message") -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "acme",
        "fields": [{"name": field, "type": kind} for field, kind in fields],
    }


def schema(top: Any, *named: Any) -> WriterSchema:
    return WriterSchema(
        SchemaLanguage.AVRO, json.dumps(top), tuple(json.dumps(one) for one in named)
    )


def written(top: Any, value: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(top), value)
    return stream.getvalue()


def read(top: Any, value: Any) -> Any:
    return json.loads(avro_reader(schema(top))(written(top, value)))


def test_values_are_those_on_the_wire() -> None:
    top = record(
        ("text", ["null", "string"]),
        ("none", ["null", "string"]),
        ("at", {"type": "long", "logicalType": "timestamp-millis"}),
        ("money", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
        ("kind", {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}),
        ("inner", record(("list", {"type": "array", "items": "string"}), name="Inner")),
        ("headers", {"type": "map", "values": {"type": "map", "values": "int"}}),
    )
    value = {
        "text": "é",
        "none": None,
        "at": datetime(2026, 11, 24, tzinfo=UTC),
        "money": Decimal("1.25"),
        "kind": "B",
        "inner": {"list": ["a", "b"]},
        "headers": {"x": {"y": 1}, "z": {}},
    }
    assert read(top, value) == {
        **value,
        "at": 1795478400000,
        "money": None,
        "headers": {"x": {"y": 1}, "z": []},
    }


def test_types_of_other_schemas_are_known() -> None:
    inner = record(("a", "string"), name="Inner")
    top = record(("one", "acme.Inner"), ("two", ["null", "acme.Inner"]))
    payload = b"\x02x\x02\x02y"
    assert json.loads(avro_reader(schema(top, inner))(payload)) == {
        "one": {"a": "x"},
        "two": {"a": "y"},
    }


TOP = record(("a", "string"), ("b", "long"))
WHOLE = written(TOP, {"a": "canary", "b": 300})


@pytest.mark.parametrize(
    "payload", [*(WHOLE[:cut] for cut in range(len(WHOLE))), WHOLE + b"\0", b"\x02\xff\x02"]
)
def test_what_is_cut_or_goes_on_or_is_no_text_is_refused(payload: bytes) -> None:
    with pytest.raises(Refused) as refused:
        avro_reader(schema(TOP))(payload)
    assert refused.value.reason is Reason.NOT_IN_FORMAT
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_key_that_is_there_twice_is_refused() -> None:
    read_headers = avro_reader(schema(record(("headers", {"type": "map", "values": "string"}))))
    assert read_headers(b"\x04\x02a\x02x\x02b\x02y\x00") == b'{"headers":{"a":"x","b":"y"}}'
    with pytest.raises(Refused) as refused:
        read_headers(b"\x04\x02a\x02x\x02a\x02y\x00")
    assert refused.value.reason is Reason.DUPLICATE_KEY


def nested(depth: int) -> Any:
    kind: Any = "string"
    for number in range(depth):
        kind = record(("a", kind), name=f"R{number}")
    return kind


@pytest.mark.parametrize(
    ("top", "why"),
    [
        (record(("a", "long"), ("next", ["null", "acme.Message"])), "contains itself"),
        (record(("all", {"type": "array", "items": "acme.Message"})), "contains itself"),
        (record(("all", {"type": "array", "items": "null"})), "no bytes"),
        (record(("all", {"type": "map", "values": record(name="Empty")})), "no bytes"),
        (record(("a", {"type": "fixed", "name": "F", "size": 0})), "no bytes"),
        (nested(40), "too deeply"),
        (record(("a", "acme.Missing")), "no Avro schema"),
        ({"type": "record"}, "no Avro schema"),
        (17, "no Avro schema"),
    ],
)
def test_a_schema_by_which_a_few_bytes_are_endless_is_unusable(top: Any, why: str) -> None:
    with pytest.raises(Unusable, match=why):
        avro_reader(schema(top))


def test_text_that_is_no_json_is_no_schema() -> None:
    with pytest.raises(Unusable, match="no Avro schema"):
        avro_reader(WriterSchema(SchemaLanguage.AVRO, "record {"))
