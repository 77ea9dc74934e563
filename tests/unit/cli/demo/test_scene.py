"""The size and the clock of a demo."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.cli.demo.scene import Demo
from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def demo(events: int, days: int = 60) -> Demo:
    return Demo(Invocation(Output(), fixed_now=NOW), Path("d"), days, events, seed=1)


def test_events_are_shared_out_and_none_is_lost() -> None:
    for events in (1_000, 1_001, 199_999):
        counts = demo(events).counts()
        assert sum(counts.values()) == events
        assert set(counts) == {"api_request", "session", "feature_use", "error_log"}
        assert min(counts.values()) >= events // 13


def test_traffic_begins_so_many_days_before_now() -> None:
    assert demo(1_000, days=3).begin == datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_line_goes_through_on_a_day_of_the_demo() -> None:
    short = demo(1_000, days=3)
    for day in (date(2026, 11, 21), date(2026, 11, 24)):
        assert day <= short.taken_in_on(day) <= NOW.date()


def test_the_same_seed_makes_the_same_accounts() -> None:
    one, other = demo(1_000).world(), demo(1_000).world()
    assert one.opted_out() == other.opted_out()
    assert one.accounts == other.accounts
