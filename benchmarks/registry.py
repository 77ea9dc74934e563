"""How fast messages of a schema registry are decoded: Avro and Protobuf beside JSON in a format.

The same requests with the same fields; one process, one thread, from the messages to columns. The
schemas are known, as they are after the first message of each.
"""

import gc
import io
import json
import time
from collections.abc import Callable, Collection, Mapping

import fastavro
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from benchmarks.harness import Report
from pipeline.events.decode.decoder import Decodes
from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.formats.parse import parse_format
from pipeline.events.model import Slice, Span
from pipeline.events.wire.decoder import WireDecoder
from pipeline.events.wire.model import Reader, SchemaLanguage, WriterSchema
from pipeline.events.wire.reading import reader_of
from pipeline.io.package_data import load_schemas
from pipeline.io.registry.protoc import compiled
from tests.formats.requests import Request, requests

TEXTS = ("id", "account", "ip", "method", "path", "agent", "referrer")
NUMBERS = ("at", "status", "bytes_in", "bytes_out")
FORMAT = """
comment = "Requests of an edge."
event = "api_request"
reads = "json"
[fields]
event_id = { from = "id" }
occurred_at = { from = "at", time = "unix_ms" }
account_id = { from = "account" }
client_ip = { from = "ip" }
method = { from = "method" }
path = { from = "path" }
user_agent = { from = "agent" }
referrer = { from = "referrer" }
status = { from = "status" }
bytes_in = { from = "bytes_in" }
bytes_out = { from = "bytes_out" }
"""
AVRO = {
    "type": "record",
    "name": "Request",
    "fields": [
        *({"name": name, "type": ["null", "string"]} for name in TEXTS),
        *({"name": name, "type": ["null", "long"]} for name in NUMBERS),
    ],
}
PROTO = (
    'syntax = "proto3"; message Request {'
    + " ".join(f"optional string {name} = {at};" for at, name in enumerate(TEXTS, 1))
    + " ".join(f"optional int64 {name} = {at};" for at, name in enumerate(NUMBERS, 20))
    + "}"
)


class Known:
    """Schema 1 is the one that messages are written with."""

    def __init__(self, schema: WriterSchema) -> None:
        self._readers: dict[int, Reader | None] = {1: reader_of(schema)}

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        """Return the one reader."""
        return {number: self._readers[number] for number in numbers}

    def ready(self) -> bool:
        """Return that nothing is waited for."""
        return True


def run(events: int, times: int) -> Report:
    """Measure on so many requests, at most 100,000; the best of several passes."""
    values = [_fields(one) for one in requests(min(events, 100_000))]
    schemas = load_schemas(None)
    inner = FormatDecoder(
        parse_format(FORMAT, "edge.toml", "edge.toml", schemas), schemas["api_request"]
    )
    proto = WriterSchema(SchemaLanguage.PROTOBUF, descriptors=compiled(PROTO, {}))
    contenders: dict[str, tuple[Decodes, Callable[[dict[str, object]], bytes]]] = {
        "JSON": (inner, lambda one: json.dumps(one).encode()),
        "Avro": (
            WireDecoder(Known(WriterSchema(SchemaLanguage.AVRO, json.dumps(AVRO))), inner),
            _avro(),
        ),
        "Protobuf": (WireDecoder(Known(proto), inner), _protobuf(proto)),
    }
    found = {}
    for name, (decoder, write) in contenders.items():
        source = _slice([write(one) for one in values])
        found[name] = min(_pass(decoder, source) for _ in range(times))
    rows = [
        f"| {name} | {took:.2f} | {1e6 / took:,.0f} | {found['JSON'] / took:.2f} |"
        for name, took in found.items()
    ]
    text = (
        f"{len(values):,} requests of 11 fields, best of {times}; decoding alone.\n\n"
        "| messages | µs | a CPU-second | ratio |\n| --- | ---: | ---: | ---: |\n" + "\n".join(rows)
    )
    return Report("Schema registry", text, {name: round(took, 3) for name, took in found.items()})


def _fields(one: Request) -> dict[str, object]:
    given = {name: getattr(one, name) for name in (*TEXTS, *NUMBERS)}
    given |= {"path": one.uri, "at": one.micros // 1000}
    return {name: value for name, value in given.items() if value is not None}


def _avro() -> Callable[[dict[str, object]], bytes]:
    schema = fastavro.parse_schema(AVRO)

    def write(one: dict[str, object]) -> bytes:
        stream = io.BytesIO(b"\0\0\0\0\1")
        stream.seek(5)
        fastavro.schemaless_writer(stream, schema, one)
        return stream.getvalue()

    return write


def _protobuf(schema: WriterSchema) -> Callable[[dict[str, object]], bytes]:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(schema.descriptors).file:
        pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("Request"))
    return lambda one: b"\0\0\0\0\1\0" + bytes(kind(**one).SerializeToString())


def _slice(messages: list[bytes]) -> Slice:
    ends = np.cumsum([len(one) for one in messages])
    starts = ends - [len(one) for one in messages]
    span = Span("kafka", "bench", 0, 0, len(messages))
    return Slice(span, "api_request", b"".join(messages), starts, ends, np.arange(len(messages)))


def _pass(decoder: Decodes, source: Slice) -> float:
    """CPU microseconds an event."""
    gc.collect()
    began = time.process_time()
    raw = decoder.decode(source)
    took = time.process_time() - began
    assert raw.rows.num_rows == len(source)
    return took / len(source) * 1e6
