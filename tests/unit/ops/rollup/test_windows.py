"""Windows: whole days inside one key epoch, published when they are over."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.errors import PrivacyGateClosed
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.windows import DaySpan, closed_spans, is_closed, one_epoch, span_of
from pipeline.privacy.identity.epochs import EpochKind


def test_windows_that_cross_a_key_epoch_are_refused() -> None:
    with pytest.raises(PrivacyGateClosed, match="border of a key epoch"):
        one_epoch(DaySpan(date(2026, 10, 26), date(2026, 11, 8)), EpochKind.FOUR_WEEKS)
    with pytest.raises(PrivacyGateClosed):
        span_of(date(2026, 11, 4), Window.WEEK, EpochKind.DAY)


def test_periods_are_key_epochs() -> None:
    span = span_of(date(2026, 11, 4), Window.PERIOD, EpochKind.FOUR_WEEKS)
    assert span == DaySpan(date(2026, 11, 2), date(2026, 11, 29))


@pytest.mark.parametrize(("hour", "minute", "closed"), [(1, 59, False), (2, 0, True)])
def test_a_day_closes_two_hours_after_midnight(hour: int, minute: int, closed: bool) -> None:
    day = DaySpan(date(2026, 11, 3), date(2026, 11, 3))
    assert is_closed(day, datetime(2026, 11, 4, hour, minute, tzinfo=UTC)) is closed


def test_only_closed_windows_are_due() -> None:
    days = [date(2026, 11, 2), date(2026, 11, 9)]
    now = datetime(2026, 11, 10, 12, tzinfo=UTC)
    weeks = closed_spans(days, Window.WEEK, EpochKind.FOUR_WEEKS, now)
    assert [span.start for span in weeks] == [date(2026, 11, 2)]


def test_a_week_begins_on_its_monday() -> None:
    monday = date(2026, 11, 23)
    weeks = {
        span_of(monday + timedelta(days=number), Window.WEEK, EpochKind.WEEK) for number in range(7)
    }
    assert weeks == {DaySpan(monday, date(2026, 11, 29))}
    assert span_of(date(2026, 11, 22), Window.WEEK, EpochKind.WEEK).end == date(2026, 11, 22)


def test_a_span_has_its_first_and_its_last_day() -> None:
    day = date(2026, 11, 24)
    assert span_of(day, Window.DAY, EpochKind.DAY).days() == [day]
    week = span_of(day, Window.WEEK, EpochKind.FOUR_WEEKS).days()
    assert (len(week), week[0], week[-1]) == (7, date(2026, 11, 23), date(2026, 11, 29))


def test_several_days_of_a_window_make_it_due_once() -> None:
    days = [date(2026, 11, 4), date(2026, 11, 2), date(2026, 10, 30)]
    now = datetime(2026, 11, 30, 2, tzinfo=UTC)
    weeks = closed_spans(days, Window.WEEK, EpochKind.FOUR_WEEKS, now)
    assert [span.start for span in weeks] == [date(2026, 10, 26), date(2026, 11, 2)]
