"""Which reader a schema has."""

from __future__ import annotations

import pytest

from pipeline.events.wire.model import SchemaLanguage, WriterSchema
from pipeline.events.wire.reading import reader_of
from pipeline.io.registry.protoc import compiled

PROTO = 'syntax = "proto3"; message M { string a = 1; }'
RECORD = '{"type": "record", "name": "M", "fields": [{"name": "a", "type": "string"}]}'


@pytest.mark.parametrize(
    ("schema", "payload"),
    [
        (WriterSchema(SchemaLanguage.JSON), b'{"a":"x"}'),
        (WriterSchema(SchemaLanguage.AVRO, RECORD), b"\x02x"),
        (WriterSchema(SchemaLanguage.PROTOBUF, descriptors=compiled(PROTO, {})), b"\x00\x0a\x01x"),
    ],
    ids=["json", "avro", "protobuf"],
)
def test_messages_of_every_kind_are_texts_in_json(schema: WriterSchema, payload: bytes) -> None:
    assert reader_of(schema)(payload) == b'{"a":"x"}'
