"""Awkward lines: every kind comes in turn, canaries are in them, and most are refused."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.demo.awkward import CANARIES, KINDS, awkward_lines
from pipeline.demo.traffic import EVENTS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def lines(event: str, count: int = KINDS) -> list[bytes]:
    times = NOW - timedelta(hours=1), NOW
    made = awkward_lines(event, np.random.default_rng(1), lambda: times)
    return list(itertools.islice(made, count))


@pytest.mark.parametrize("event", EVENTS)
def test_each_line_ends_and_each_canary_is_somewhere(event: str) -> None:
    made = lines(event)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in made)
    whole = b"".join(made)
    assert [canary for canary in CANARIES if canary.encode() not in whole] == []


def test_the_kinds_repeat_after_their_number() -> None:
    first, second = lines("session", 2 * KINDS)[:KINDS], lines("session", 2 * KINDS)[KINDS:]
    assert [_keys(line) for line in first] == [_keys(line) for line in second]


def _keys(line: bytes) -> object:
    """What kind of line it is, whatever its random ids are."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "malformed"
    return sorted(found) if isinstance(found, dict) else type(found).__name__


@pytest.mark.parametrize("event", EVENTS)
def test_some_lines_are_early_old_or_sent_with_a_signal(event: str) -> None:
    dated = [json.loads(line) for line in lines(event) if _keys(line) != "malformed"]
    sound = [one for one in dated if isinstance(one, dict)]
    field = "started_at" if event == "session" else "occurred_at"
    times = {str(one.get(field))[:10] for one in sound}
    assert {"2026-11-24", "2026-12-24", "2025-10-20"} <= times
    assert any(one.get("gpc") == "1" for one in sound)
    assert any(one.get("dnt") == "1" for one in sound)
