"""A log says positions and identities of sources, and nothing else under their names."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.ops.scan.log_scan import log_rules

ID, LINE = "0123456789abcdef", "fedcba9876543210"
RULES = log_rules("api_request", "event_date", [pa.schema([])], ["api_request"])


def misfits(app_id: str, version: int) -> int:
    action = {"txn": {"appId": app_id, "version": version, "lastUpdated": 1}}
    return len(list(RULES.entry(action)))


@pytest.mark.parametrize(
    ("app_id", "version"),
    [
        (f"file/{ID}/0", 17),
        (f"file/{ID}/0/tail", -(2**63)),
        (f"file/{LINE}/begun", 1),
        (f"file/{ID}/0/adopted", 1),
        ("kafka/telemetry.api_request/3", 100),
        ("kafka/telemetry.api_request/3/id-high", 2**63 - 1),
        ("kafka/telemetry.api_request/3/id-low", -5),
        ("kafka/telemetry.api_request/3/epoch", -1),
    ],
)
def test_a_position_and_its_marks_are_what_a_log_may_say(app_id: str, version: int) -> None:
    assert misfits(app_id, version) == 0


@pytest.mark.parametrize(
    ("app_id", "version"),
    [
        (f"file/{ID}/0", -1),
        ("kafka/telemetry.api_request/3", -1),
        (f"file/{ID}/0/head", 1),
        ("file/somebody@example.com/begun", 1),
        (f"file/{ID}/0/tail/192.0.2.1", 1),
        (f"file/{ID}/0/tail", 2**63),
        ("kafka/telemetry.api_request/3/acct_1", 1),
    ],
)
def test_nothing_else_may_stand_there(app_id: str, version: int) -> None:
    assert misfits(app_id, version) > 0
