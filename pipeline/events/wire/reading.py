"""From a schema to the reader of its messages, whatever it is written in."""

from __future__ import annotations

from typing import Final

from pipeline.events.wire.avro import avro_reader
from pipeline.events.wire.model import Reader, SchemaLanguage, WriterSchema
from pipeline.events.wire.protobuf import protobuf_reader

_READERS: Final = {SchemaLanguage.AVRO: avro_reader, SchemaLanguage.PROTOBUF: protobuf_reader}


def reader_of(schema: WriterSchema) -> Reader:
    """The reader of one schema; raises `Unusable`."""
    if schema.kind is SchemaLanguage.JSON:
        return bytes  # such messages are JSON texts
    return _READERS[schema.kind](schema)
