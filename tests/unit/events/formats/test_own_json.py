"""Lines that are an event's own JSON, and what others lack: counts and declared names."""

from __future__ import annotations

import json

import pytest

from pipeline.events.formats.own_json import event_of, why_not
from pipeline.events.formats.record import Refusal
from pipeline.events.model import Reason
from pipeline.io.package_data import load_schemas

SCHEMAS = load_schemas()


def own(event: str, **fields: object) -> bytes:
    return json.dumps({"event": event, "version": 1, "event_id": "e", **fields}).encode()


def test_the_first_field_that_is_missing_is_named() -> None:
    lines = [own("session"), b"{}", b"[]", own("session", session_id="canary")]
    assert why_not(lines, SCHEMAS["session"]) == {
        Refusal(Reason.MISSING_FIELD, "session_id"): 1,
        Refusal(Reason.MISSING_FIELD, "event"): 1,
        Refusal(Reason.NOT_OBJECT): 1,
        Refusal(Reason.MISSING_FIELD, "started_at"): 1,
    }


def test_a_field_of_blank_text_is_missing() -> None:
    lines = [own("session", session_id="", started_at="2026-11-24T11:00:00Z")]
    assert why_not(lines, SCHEMAS["session"]) == {Refusal(Reason.MISSING_FIELD, "session_id"): 1}


@pytest.mark.parametrize("event", ["feature_use", "api_request", "error_log"])
def test_an_event_of_ours_is_recognised(event: str) -> None:
    more = {"feature": "f", "component": "c", "severity": "error"}
    lines = [own(event, occurred_at="2026-11-24T11:00:00Z", **more), b"canary"]
    assert event_of(lines, SCHEMAS) == (event, 0.5)


def test_what_is_no_event_has_no_share() -> None:
    assert event_of([b"Nov 24 kernel: canary"], SCHEMAS)[1] == 0
    assert event_of([], SCHEMAS)[1] == 0
