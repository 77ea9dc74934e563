"""Protobuf schemas are compiled with what they import, and files stay where they belong."""

from __future__ import annotations

import importlib.util

import pytest
from google.protobuf import descriptor_pb2

from pipeline.errors import EnvironmentProblem
from pipeline.events.wire.model import Unusable
from pipeline.io.registry.protoc import compiled

SOURCE = """
syntax = "proto3";
import "acme/part.proto";
import "google/protobuf/timestamp.proto";
message M { Part part = 1; google.protobuf.Timestamp at = 2; }
"""
PART = 'syntax = "proto3"; message Part { string a = 1; }'


def test_the_schema_is_the_last_file_after_what_it_imports() -> None:
    files = descriptor_pb2.FileDescriptorSet.FromString(
        compiled(SOURCE, {"acme/part.proto": PART})
    ).file
    assert {file.name for file in files[:-1]} == {
        "acme/part.proto",
        "google/protobuf/timestamp.proto",
    }
    assert [one.name for one in files[-1].message_type] == ["M"]


@pytest.mark.parametrize("text", ["message", SOURCE, 'syntax = "proto3"; import "/etc/passwd";'])
def test_what_does_not_compile_is_unusable(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unusable, match="refuses it"):
        compiled(text, {})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["/tmp/x.proto", "../x.proto", "a/../../x.proto", "", "a\0b"])
def test_a_file_outside_of_its_folder_is_not_written(name: str) -> None:
    with pytest.raises(Unusable, match="outside"):
        compiled(SOURCE, {name: PART})


def test_without_the_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"telemetry-pipeline\[protobuf\]"):
        compiled(SOURCE, {})
