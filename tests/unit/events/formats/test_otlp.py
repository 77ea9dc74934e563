"""Lines of OTLP/JSON logs to flat messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.events.decode.strict_json import Refused, StrictJson
from pipeline.events.formats.otlp import flatten
from pipeline.events.model import Reason


def messages(line: Any) -> list[Any]:
    found = StrictJson(depth=16, as_written=True).read(json.dumps(line).encode())
    assert isinstance(found, dict)
    return [json.loads(one) for one in flatten(found)]


def attributes(**values: Any) -> list[dict[str, Any]]:
    return [{"key": name, "value": value} for name, value in values.items()]


def test_a_record_becomes_a_message_with_the_attributes_of_its_resource() -> None:
    record = {
        "timeUnixNano": "1",
        "body": {"stringValue": "x"},
        "attributes": attributes(
            a={"stringValue": "x"},
            b={"intValue": "2"},
            c={"doubleValue": 1.5},
            d={"boolValue": True},
            e={"arrayValue": {"values": []}},
            f={},
            g=None,
            h={"stringValue": "x", "intValue": 1},
        ),
    }
    scope = {"logRecords": [record, {"severityNumber": 9}]}
    resource = {"attributes": attributes(r={"stringValue": "y"})}
    first, second = messages({"resourceLogs": [{"resource": resource, "scopeLogs": [scope]}]})
    assert first == {
        "timeUnixNano": "1",
        "attributes": {
            "a": "x",
            "b": "2",
            "c": 1.5,
            "d": True,
            "e": {},
            "f": None,
            "g": None,
            "h": {},
        },
        "resource": {"r": "y"},
    }
    assert second == {"severityNumber": 9, "attributes": {}, "resource": {"r": "y"}}


def test_a_line_without_records_holds_no_message() -> None:
    assert messages({"resourceLogs": []}) == []
    assert messages({"resourceLogs": [{"scopeLogs": None}]}) == []


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"resourceSpans": []},
        {"resourceLogs": None},
        {"resourceLogs": [1]},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [1]}]}]},
        {"resourceLogs": [{"resource": {"attributes": [{"value": {}}]}}]},
    ],
)
def test_a_line_of_another_structure_is_refused(line: Any) -> None:
    with pytest.raises(Refused) as caught:
        messages(line)
    assert caught.value.reason is Reason.NOT_IN_FORMAT
