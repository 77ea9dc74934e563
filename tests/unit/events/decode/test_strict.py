"""What the fields of one message mean: each by its type and version, or refused."""

from __future__ import annotations

import json
from datetime import date

import pytest

from pipeline.events.decode.strict import Record, StrictDecoder, Value
from pipeline.events.model import UNREADABLE, Reason
from pipeline.io.package_data import load_schemas

VERSIONS = load_schemas()["api_request"]
NEWEST = VERSIONS[-1]
NAMES = [field.name for field in NEWEST.fields]
DECODER = StrictDecoder(VERSIONS)
LEAST: dict[str, object] = {
    "event": "api_request",
    "version": NEWEST.version,
    "event_id": "e1",
    "occurred_at": "2026-11-24T11:00:00Z",
}


def decode(**fields: object) -> Record | Reason:
    message = {name: value for name, value in {**LEAST, **fields}.items() if value is not ...}
    return DECODER.decode(json.dumps(message).encode())


def value(name: str, sent: object) -> tuple[Value, tuple[tuple[str, Reason], ...]]:
    record = decode(**{name: sent})
    assert isinstance(record, Record)
    return record.values[NAMES.index(name)], record.nulled


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"event": ...}, Reason.MISSING_FIELD),
        ({"event": ""}, Reason.MISSING_FIELD),
        ({"event": 5}, Reason.INVALID_TYPE),
        ({"event": "session"}, Reason.WRONG_EVENT),
        ({"version": ...}, Reason.MISSING_FIELD),
        ({"version": "1"}, Reason.INVALID_TYPE),
        ({"version": True}, Reason.INVALID_TYPE),
        ({"version": 1.0}, Reason.INVALID_TYPE),
        ({"version": 99}, Reason.UNKNOWN_VERSION),
        ({"event_id": ...}, Reason.MISSING_FIELD),
        ({"event_id": None}, Reason.MISSING_FIELD),
        ({"occurred_at": ...}, Reason.MISSING_FIELD),
        ({"occurred_at": "noon"}, Reason.INVALID_TIME),
    ],
)
def test_a_message_without_what_it_needs_is_refused(
    fields: dict[str, object], reason: Reason
) -> None:
    assert decode(**fields) is reason


@pytest.mark.parametrize(("message", "reason"), [(b"[]", Reason.NOT_OBJECT), (b"", Reason.EMPTY)])
def test_what_is_no_object_is_refused(message: bytes, reason: Reason) -> None:
    assert DECODER.decode(message) is reason


@pytest.mark.parametrize("sent", [None, ""])
def test_a_value_that_is_not_reported_is_null_and_not_counted(sent: object) -> None:
    for name in ("status", "model", "account_created_on"):
        assert value(name, sent) == (None, ())


def test_values_are_read_by_their_types() -> None:
    assert value("status", 200) == (200, ())
    assert value("model", "v2v") == ("v2v", ())
    created, _ = value("account_created_on", "2026-11-24")
    assert created == (date(2026, 11, 24) - date(1970, 1, 1)).days
    moment, _ = value("occurred_at", "1970-01-01T00:00:01.5Z")
    assert moment == 1_500_000


def test_a_value_of_another_type_is_null_and_counted_by_its_field() -> None:
    numbers: list[object] = ["200", [200], {"a": 1}, True]
    for sent in numbers:
        assert value("status", sent) == (None, (("status", Reason.INVALID_TYPE),))
    texts: list[object] = [5, ["a"], False]
    for sent in texts:
        assert value("model", sent)[0] == UNREADABLE


def test_a_field_that_nobody_declared_does_not_pass() -> None:
    record = decode(favourite_colour="alice@example.com")
    assert isinstance(record, Record)
    assert len(record.values) == len(NAMES)
    assert "alice" not in str(record.values)


def test_a_message_of_any_version_has_the_newest_fields() -> None:
    for version in VERSIONS:
        record = decode(version=version.version)
        assert isinstance(record, Record)
        assert len(record.values) == len(NAMES)


def test_a_record_does_not_show_itself() -> None:
    assert "alice" not in repr(decode(account_id="alice"))
