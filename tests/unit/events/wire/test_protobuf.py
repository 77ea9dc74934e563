"""Protobuf by the schema it was written with: values, which message it is, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pipeline.events.decode.strict_json import Refused
from pipeline.events.model import Reason
from pipeline.events.wire.model import SchemaLanguage, Unusable, WriterSchema
from pipeline.events.wire.protobuf import protobuf_reader
from pipeline.io.registry.protoc import compiled

SOURCE = """
syntax = "proto3";
package acme;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message Other { string a = 1; }
message Message {
  message Part { string name = 1; Part part = 2; }
  enum SchemaLanguage { NONE = 0; SOME = 1; }
  string text = 1;
  int64 zero = 2;
  optional int64 given = 3;
  google.protobuf.Timestamp at = 4;
  google.protobuf.StringValue wrapped = 5;
  bytes raw = 6;
  repeated string list = 7;
  map<string, Part> parts = 8;
  SchemaLanguage kind = 9;
  Part part = 10;
  double ratio = 11;
}
"""
DESCRIPTORS = compiled(SOURCE, {})
MESSAGE = b"\x02\x02"
"""The second message of the file: one index, 1, in zigzag."""


def schema() -> WriterSchema:
    return WriterSchema(SchemaLanguage.PROTOBUF, descriptors=DESCRIPTORS)


def message() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.Message"))()


def read(payload: bytes) -> Any:
    return json.loads(protobuf_reader(schema())(payload))


def refusal(payload: bytes) -> Reason:
    with pytest.raises(Refused) as refused:
        protobuf_reader(schema())(payload)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return refused.value.reason


def test_values_are_those_of_protobufs_own_mapping() -> None:
    one = message()
    one.text, one.given, one.raw, one.kind = "é", 0, b"raw", 1
    one.at.seconds, one.at.nanos = 1795478400, 250_000_999
    one.wrapped.value = "w"
    one.list.extend(["a", "b"])
    one.parts["p"].name = "n"
    one.part.part.name = "inner"
    assert read(MESSAGE + one.SerializeToString()) == {
        "text": "é",
        "given": 0,
        "at": "2026-11-24T00:00:00.250000+00:00",
        "wrapped": "w",
        "raw": None,
        "list": ["a", "b"],
        "parts": {"p": {"name": "n"}},
        "kind": "SOME",
        "part": {"part": {"name": "inner"}},
    }


def test_the_first_message_of_a_file_and_one_inside_of_another_are_found() -> None:
    assert read(b"\x00\x0a\x01x") == {"a": "x"}
    assert read(b"\x02\x00\x0a\x01x") == {"a": "x"}
    assert read(b"\x04\x02\x00\x0a\x01x") == {"name": "x"}


def test_a_value_that_its_enum_does_not_know_and_a_time_that_is_none_are_null() -> None:
    one = message()
    one.kind, one.at.seconds = 7, 10**15
    assert read(MESSAGE + one.SerializeToString()) == {"kind": None, "at": None}


def test_fields_that_the_schema_does_not_know_are_not_there() -> None:
    assert read(b"\x00\x0a\x01x\xfa\x01\x06canary") == {"a": "x"}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        b"\x80",
        b"\xff\xff\xff\xff\xff",
        b"\x02\x0a\x0a\x01x",
        b"\x40" + b"\0" * 40,
        b"\x00\x0a\x09x",
        b"\x00\x0a\x01\xff",
        MESSAGE + b"\x52\x02\x12\x09",
    ],
)
def test_what_is_no_message_of_the_schema_is_refused(payload: bytes) -> None:
    assert refusal(payload) is Reason.NOT_IN_FORMAT


def test_a_number_that_is_not_finite_is_refused() -> None:
    one = message()
    one.ratio = float("nan")
    assert refusal(MESSAGE + one.SerializeToString()) is Reason.NUMBER_OUT_OF_RANGE


@pytest.mark.parametrize("descriptors", [b"", b"\xff", b"\x0a\x02\x0a\x09"])
def test_what_are_no_descriptors_is_unusable(descriptors: bytes) -> None:
    with pytest.raises(Unusable, match="no Protobuf schema"):
        protobuf_reader(WriterSchema(SchemaLanguage.PROTOBUF, descriptors=descriptors))
