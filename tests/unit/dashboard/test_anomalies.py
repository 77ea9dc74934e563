"""Unusual days are found against the same weekday before, and never inside the uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pyarrow as pa
import pytest

from pipeline.dashboard.anomalies import anomalies, score
from pipeline.ops.rollup.publication import PUBLISHED
from tests.dashboards import NOW

MONDAY = date(2026, 9, 7)
REQUESTS = {"name": "requests", "kind": "count"}


def weekly(day: date) -> float:
    """A week's rhythm: weekends are quiet."""
    return 400.0 if day.weekday() >= 5 else 1000.0


def totals(values: Mapping[date, float], error: float = 5.0, **more: float) -> pa.Table:
    empty = dict.fromkeys(PUBLISHED.names) | {"grain": "day", "cut": "", "key1": "", "key2": ""}
    empty |= {"revision": 0, "published_at": NOW, "accounts": 100, "error": error, **more}
    rows = [
        {**empty, "first_day": day, "last_day": day, "value": value}
        for day, value in values.items()
    ]
    return pa.Table.from_pylist(rows, schema=PUBLISHED)


def eight_weeks(**changed: float) -> dict[date, float]:
    days = [MONDAY + timedelta(days=n) for n in range(56)]
    return {day: weekly(day) for day in days} | {
        date.fromisoformat(day.replace("d", "").replace("_", "-")): value
        for day, value in changed.items()
    }


def test_a_day_far_from_its_weekday_is_found_and_the_others_are_not() -> None:
    table = totals(eight_weeks(d2026_10_20=1900.0))
    assert anomalies({"requests": table}, [REQUESTS]) == [
        {"metric": "requests", "measure": "value", "day": "2026-10-20", "value": 1900.0,
         "usual": 1000.0}
    ]  # fmt: skip


def test_a_quiet_weekend_is_not_unusual_but_a_quiet_tuesday_is() -> None:
    assert anomalies({"requests": totals(eight_weeks())}, [REQUESTS]) == []
    found = anomalies({"requests": totals(eight_weeks(d2026_10_20=400.0))}, [REQUESTS])
    assert [one["day"] for one in found] == ["2026-10-20"]


def test_what_lies_within_the_uncertainty_is_never_unusual() -> None:
    values = eight_weeks(d2026_10_20=1900.0)
    assert anomalies({"requests": totals(values, error=300.0)}, [REQUESTS]) == []


def test_a_share_and_its_complement_stand_out_together() -> None:
    kinds = {
        "errors": eight_weeks(d2026_10_20=0.09),
        "answers": eight_weeks(d2026_10_20=0.91),
    }
    tables = {}
    for name, held in kinds.items():
        small = {day: value if value < 1 else 0.01 for day, value in held.items()}
        if name == "answers":
            small = {day: value if value == 0.91 else 0.99 for day, value in small.items()}
        tables[name] = totals(small, error=0.001, denominator=20_000.0)
    metrics = [{"name": name, "kind": "ratio"} for name in kinds]
    assert [(one["metric"], one["day"]) for one in anomalies(tables, metrics)] == [
        ("errors", "2026-10-20"),
        ("answers", "2026-10-20"),
    ]


@pytest.mark.parametrize(("weeks", "said"), [(2, False), (3, True)])
def test_nothing_is_said_without_enough_weekdays_before(weeks: int, said: bool) -> None:
    last = MONDAY + timedelta(days=7 * weeks)
    days = {MONDAY + timedelta(days=7 * week): (1000.0, 5.0) for week in range(weeks)}
    assert (score({**days, last: (5000.0, 5.0)}, last, "count") is not None) == said


def test_what_the_pipeline_counts_itself_is_left_out() -> None:
    table = totals(eight_weeks(d2026_10_20=1900.0))
    assert anomalies({"late": table}, [{"name": "late", "kind": "fact"}]) == []
