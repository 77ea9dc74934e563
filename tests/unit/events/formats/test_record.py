"""Lines of a format, one at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.events.formats.parse import parse_format
from pipeline.events.formats.record import Refusal, Row, StrictFormat
from pipeline.events.model import UNREADABLE, Reason
from pipeline.io.package_data import load_schemas

SCHEMAS = load_schemas()
FORMAT = r"""
comment = "Everything."
event = "api_request"
reads = "json"
[fields]
event_id = { from = "id", else = "@position" }
occurred_at = { from = "t", time = ["rfc3339", "unix_ns"] }
account_id = { from = "user.id" }
client_ip = { from = "ip", take = "last" }
path = { from = "url", part = "path" }
status = { from = "status", null = ["0"] }
latency_ms = { from = ["a", "b"], unit = "s", negative = "null" }
queue_ms = { from = "end", minus = "begin", unit = "ns" }
bytes_in = { from = ["head", "body"] }
user_agent = { from = "ua", decode = ["percent", "percent"] }
region = { value = "eu-1" }
account_created_on = { from = "since" }
gpc = { from = "gpc" }
"""
T = {"t": "2024-05-01T10:20:30Z"}


def decode(line: object) -> Row | Refusal:
    found = parse_format(FORMAT, "own.toml", "own.toml", SCHEMAS)
    message = line if isinstance(line, bytes) else json.dumps(line).encode()
    return StrictFormat(found, SCHEMAS["api_request"]).decode(message, "file/x/0/7")[0]


def row(line: object) -> tuple[dict[str, Any], dict[str, str]]:
    answer = decode(line)
    assert isinstance(answer, Row)
    names = [field.name for field in SCHEMAS["api_request"][-1].fields]
    values = {n: v for n, v in zip(names, answer.values, strict=True) if v is not None}
    for name in ("event", "version", "region", "occurred_at"):
        values.pop(name)
    return values, dict(answer.nulled)


AT = {"event_id": "file/x/0/7"}


@pytest.mark.parametrize(
    ("line", "values", "nulled"),
    [
        ({}, {}, {}),
        ({"id": "r-1"}, {"event_id": "r-1"}, {}),
        ({"id": 12}, {"event_id": "12"}, {}),
        ({"id": "-"}, {}, {}),
        ({"user": {"id": "u"}}, {"account_id": "u"}, {}),
        ({"user": {"id": "Anonymous"}}, {}, {"account_id": "placeholder"}),
        ({"user": "u"}, {}, {}),
        ({"ip": ["a", "", None, "b"]}, {"client_ip": "b"}, {}),
        ({"ip": []}, {}, {}),
        ({"ip": ["a", 1]}, {"client_ip": UNREADABLE}, {"client_ip": "invalid_type"}),
        ({"ua": {}}, {"user_agent": UNREADABLE}, {"user_agent": "invalid_type"}),
        ({"ua": "a%2520b"}, {"user_agent": "a b"}, {}),
        ({"ua": "%00"}, {"user_agent": UNREADABLE}, {"user_agent": "invalid_type"}),
        ({"url": "https://h/p?q"}, {"path": "/p"}, {}),
        ({"url": "*"}, {}, {"path": "unparseable"}),
        ({"status": "200"}, {"status": 200}, {}),
        ({"status": 0}, {}, {}),
        ({"status": 200.0}, {}, {"status": "invalid_type"}),
        ({"a": 0.25, "b": "0.5"}, {"latency_ms": 750.0}, {}),
        ({"a": 0.25}, {}, {}),
        ({"a": 0.25, "b": -1}, {}, {}),
        ({"a": "x", "b": 1}, {}, {"latency_ms": "invalid_type"}),
        ({"a": 1e308, "b": 1e308}, {}, {"latency_ms": "invalid_type"}),
        ({"end": 1714551630250000999, "begin": 1714551630000000999}, {"queue_ms": 250.0}, {}),
        ({"end": T["t"], "begin": T["t"]}, {}, {"queue_ms": "invalid_type"}),
        ({"head": 1, "body": 2}, {"bytes_in": 3}, {}),
        ({"head": 2**63 - 1, "body": 1}, {}, {"bytes_in": "invalid_type"}),
        ({"since": "2024-01-01"}, {"account_created_on": 19_723}, {}),
        ({"since": "yesterday"}, {}, {"account_created_on": "invalid_time"}),
        ({"gpc": "0, 1"}, {"gpc": "1"}, {}),
        ({"gpc": ["1"]}, {"gpc": "1"}, {}),
        ({"gpc": 1}, {}, {}),
    ],
)
def test_a_line_says_what_its_values_say(
    line: dict[str, Any], values: dict[str, Any], nulled: dict[str, str]
) -> None:
    assert row({**T, **line}) == ({**AT, **values}, nulled)


@pytest.mark.parametrize(
    ("line", "reason", "field"),
    [
        (b"", Reason.EMPTY, None),
        (b"192.0.2.7 - - x", Reason.NOT_JSON, None),
        (b"\xef\xbb\xbf{}", Reason.NOT_JSON, None),
        (b"[]", Reason.NOT_OBJECT, None),
        (b'{"t":1,"t":2}', Reason.DUPLICATE_KEY, None),
        ({}, Reason.MISSING_FIELD, "occurred_at"),
        ({"t": "-"}, Reason.INVALID_TIME, "occurred_at"),
        ({"t": []}, Reason.INVALID_TIME, "occurred_at"),
        ({**T, "id": {}}, Reason.INVALID_TYPE, "event_id"),
        ({**T, "user": {"id": ["u"]}}, Reason.INVALID_TYPE, "account_id"),
    ],
)
def test_a_refusal_names_reason_and_field(line: object, reason: Reason, field: str | None) -> None:
    assert decode(line) == Refusal(reason, field)


def test_nothing_that_is_shown_holds_a_value() -> None:
    assert "canary" not in repr(decode({**T, "id": "canary", "user": {"id": "canary"}}))
