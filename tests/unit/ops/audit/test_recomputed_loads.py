"""Loads that an audit can hold: whole where they fit, week by week, and without the week before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest

from pipeline.events.schema import SUBJECT
from pipeline.ops.audit.recomputed_loads import LoadPart, by_name, parts_of
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import passes
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH

FIRST = date(2026, 10, 5)
WEEKS = [FIRST, FIRST + timedelta(days=7)]
FILES = [DayFiles("session", FIRST + timedelta(days=n), (f"{n}",), 10, f"{n}") for n in range(14)]


def parts(most: int | None) -> list[LoadPart]:
    work = [(task, WEEKS) for task in passes(REGISTRY, (Window.WEEK,))]
    return list(parts_of(work, FILES, REGISTRY, EPOCH, most))


def made(found: list[LoadPart]) -> Mapping[str, set[date]]:
    """By metric, the weeks that are made."""
    weeks: dict[str, set[date]] = {}
    for part in found:
        for task, starts in part.work:
            for metric in task.metrics:
                weeks.setdefault(metric.name, set()).update(starts)
    return weeks


def test_what_fits_is_loaded_at_once() -> None:
    (whole,) = parts(None)
    assert (whole.rows, whole.before) == (140, ())
    assert parts(140) == [whole]


@pytest.mark.parametrize("most", [139, 100, 70, 1])
def test_every_week_of_every_metric_is_in_one_part(most: int) -> None:
    assert made(parts(most)) == made(parts(None))


def test_a_week_is_loaded_without_the_one_before_unless_it_is_compared_with_it() -> None:
    first, second, compared = parts(100)
    assert (first.rows, first.before) == (70, ())
    assert (second.rows, [file.day for file in second.before]) == (70, [f.day for f in FILES[:7]])
    assert (compared.rows, compared.metrics) == (140, {"lifecycle", "retention_week"})
    assert not second.metrics & compared.metrics


def test_of_days_before_nothing_is_read_but_whose_rows_they_are() -> None:
    assert {view.columns for view in by_name(REGISTRY).views.values()} == {(SUBJECT,)}
    assert by_name(REGISTRY).populations == REGISTRY.populations
