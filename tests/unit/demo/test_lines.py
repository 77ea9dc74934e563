"""Lines of the demo: sessions to JSON lines that agree with them, event by event."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.traffic import EVENTS, generate
from pipeline.demo.world import World

NEWEST = {"api_request": 2, "session": 2, "feature_use": 2, "error_log": 1}
END = datetime(2026, 11, 24, 12, tzinfo=UTC)


def made(event: str, count: int = 3_000) -> list[dict[str, object]]:
    world = World(load_profile(), seed=1, begin=END - timedelta(days=3), end=END, sessions=900)
    blocks = generate(world, event, count, awkward=0.0)
    return [json.loads(line) for line in b"".join(blocks).splitlines()]


@pytest.mark.parametrize("event", EVENTS)
def test_a_line_is_one_object_of_its_event(event: str) -> None:
    assert {(row["event"], row["version"]) for row in made(event)} == {(event, NEWEST[event])}


def test_all_events_speak_of_the_same_sessions() -> None:
    known = {row["session_id"]: row.get("account_id") for row in made("session", 900)}
    for event in ("api_request", "feature_use"):
        rows = [row for row in made(event) if row.get("session_id") in known]
        assert len(rows) > 100
        assert all(row.get("account_id") == known[row["session_id"]] for row in rows)


def test_event_ids_differ_but_for_the_planted_duplicates() -> None:
    ids = [row["event_id"] for row in made("api_request")]
    assert len(set(ids)) > 0.98 * len(ids)
