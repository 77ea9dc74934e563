"""Schemas are asked for once, again while that may help, and messages wait for nobody else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.errors import EnvironmentProblem, RegistryUnreachable
from pipeline.io.registry.client import RegistryAccess
from pipeline.io.registry.readers import FORGET_SECONDS, TRIES, RegistryReaders
from tests.unit.io.registry.registry_server import Registry, registry

PROTO = 'syntax = "proto3"; import "in/p.proto"; message M { Part part = 1; }'
PART = 'syntax = "proto3"; message Part { string a = 1; }'


def record(name: str, kind: Any) -> str:
    fields = [{"name": "a", "type": kind}]
    return json.dumps({"type": "record", "name": name, "fields": fields})


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def served() -> Iterator[Registry]:
    with registry() as here:
        yield here


def readers(served: Registry, time: Time | None = None) -> RegistryReaders:
    time = time or Time()
    return RegistryReaders(RegistryAccess(served.url), time, time.sleep)


def test_a_schema_is_asked_for_once(served: Registry) -> None:
    served.answers = {"/schemas/ids/1": (200, {"schema": record("M", "string")})}
    here = readers(served)
    for _ in range(2):
        read = here.find({1})[1]
        assert read is not None
        assert read(b"\x02x") == b'{"a":"x"}'
    assert served.asked == ["/schemas/ids/1"]


def test_schemas_that_it_refers_to_are_known_before_it(served: Registry) -> None:
    refers = [{"name": "One", "subject": "one", "version": 3}]
    served.answers = {
        "/schemas/ids/1": (200, {"schema": record("M", "One"), "references": refers}),
        "/subjects/one/versions/3": (
            200,
            {
                "schema": record("One", "Two"),
                "references": [{"name": "Two", "subject": "two", "version": 1}],
            },
        ),
        "/subjects/two/versions/1": (200, {"schema": record("Two", "string")}),
        "/schemas/ids/2": (
            200,
            {
                "schema": PROTO,
                "schemaType": "PROTOBUF",
                "references": [{"name": "in/p.proto", "subject": "p", "version": 1}],
            },
        ),
        "/subjects/p/versions/1": (200, {"schema": PART, "schemaType": "PROTOBUF"}),
    }
    found = readers(served).find({1, 2})
    assert found[1] is not None
    assert found[1](b"\x02x") == b'{"a":{"a":{"a":"x"}}}'
    assert found[2] is not None
    assert found[2](b"\x00\x0a\x03\x0a\x01x") == b'{"part":{"a":"x"}}'


@pytest.mark.parametrize(
    "answer",
    [
        {"schema": "{}"},
        {"schema": "x", "schemaType": "THRIFT"},
        {"schema": 1},
        {"schema": "message", "schemaType": "PROTOBUF"},
        {"schema": record("M", "N"), "references": [{"name": "N"}]},
        {
            "schema": record("M", "N"),
            "references": [{"name": "N", "subject": "n", "version": 1}],
        },
    ],
)
def test_a_schema_that_cannot_be_used_is_asked_for_once_and_named_in_the_log(
    served: Registry, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    served.answers = {"/schemas/ids/5": (200, answer)}
    here = readers(served)
    assert [here.find({5}), here.find({5})] == [{5: None}, {5: None}]
    assert served.asked.count("/schemas/ids/5") == 1
    assert [line.startswith("Messages of schema 5 are refused") for line in caplog.messages] == [
        True
    ]


def test_a_number_that_is_not_known_is_asked_for_several_times_and_again_a_minute_later(
    served: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    here = readers(served, time)
    assert here.find({1178944837}) == {1178944837: None}
    assert (len(served.asked), time.now) == (TRIES, TRIES - 1)
    assert here.find({1178944837}) == {1178944837: None}
    assert len(served.asked) == TRIES
    served.answers = {"/schemas/ids/1178944837": (200, {"schema": record("M", "string")})}
    time.now += FORGET_SECONDS
    assert here.find({1178944837})[1178944837] is not None
    assert caplog.messages == [], "a number that the registry does not know may be anything"


def test_what_is_missing_is_asked_for_once_a_second_until_the_registry_answers(
    served: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    time = Time()
    here = readers(served, time)
    served.answers = {"/schemas/ids/1": (503, {})}
    assert here.ready()
    with pytest.raises(RegistryUnreachable):
        here.find({1})
    assert not here.ready()
    assert len(served.asked) == 1, "it was asked again at once"
    time.now += 1
    assert not here.ready()
    served.answers = {"/schemas/ids/1": (200, {"schema": record("M", "string")})}
    time.now += 1
    assert here.ready()
    assert here.find({1})[1] is not None
    assert len(served.asked) == 3
    assert [line.split("at")[0].strip() for line in caplog.messages] == [
        "The schema registry does not answer",
        "The schema registry answers again",
    ]


def test_settings_that_somebody_has_to_change_are_not_waited_for(served: Registry) -> None:
    served.answers = {"/schemas/ids/1": (401, {})}
    with pytest.raises(EnvironmentProblem, match="refuses the credentials"):
        readers(served).find({1})
