"""Which windows are due, and the loads in which they fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.ops.rollup import plan as planning
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.plan import loads, plan, table_ids
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import Pass, passes
from pipeline.privacy.identity.epochs import epoch_of
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH, SCHEMAS

FIRST = date(2026, 10, 5)
"""A Monday that begins a key period."""


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def lake(days: int, rows: int = 10) -> list[DayFiles]:
    """Files of every event on so many days."""
    return [
        DayFiles(event, FIRST + timedelta(days=number), (f"{event}-{number}",), rows, "first")
        for number in range(days)
        for event in SCHEMAS
    ]


def remembered(files: Sequence[DayFiles]) -> dict[str, object]:
    """The manifest after everything of these files was published."""
    inputs: dict[str, dict[str, str]] = {}
    for file in files:
        inputs.setdefault(file.event, {})[str(file.day)] = file.digest
    tables = [name for task in passes(REGISTRY, tuple(Window)) for name in table_ids(task)]
    return {"inputs": inputs, "tables": tables}


def due(work: Sequence[tuple[Pass, list[date]]], window: Window) -> set[date]:
    return {start for task, starts in work if task.window is window for start in starts}


AFTER = noon(FIRST + timedelta(days=35))


def test_every_closed_window_of_a_new_lake_is_due() -> None:
    found = plan(REGISTRY, lake(35), {}, EPOCH, AFTER)
    assert due(found, Window.DAY) == {FIRST + timedelta(days=number) for number in range(35)}
    assert due(found, Window.WEEK) == {FIRST + timedelta(days=7 * n) for n in range(5)}
    assert due(found, Window.PERIOD) == {FIRST}


def test_a_window_that_is_not_over_is_not_due() -> None:
    found = plan(REGISTRY, lake(8), {}, EPOCH, noon(FIRST + timedelta(days=7)))
    assert due(found, Window.DAY) == {FIRST + timedelta(days=number) for number in range(7)}
    assert due(found, Window.WEEK) == {FIRST}
    assert due(found, Window.PERIOD) == set()


def test_a_window_whose_first_day_is_not_in_the_lake_is_not_due() -> None:
    half = [file for file in lake(35) if file.day > FIRST]
    found = plan(REGISTRY, half, {}, EPOCH, AFTER)
    assert FIRST not in due(found, Window.WEEK) | due(found, Window.PERIOD)
    assert due(found, Window.WEEK) == {FIRST + timedelta(days=7 * n) for n in range(1, 5)}


def test_what_was_published_is_due_again_only_where_its_files_changed() -> None:
    files = lake(35)
    manifest = remembered(files)
    assert plan(REGISTRY, files, manifest, EPOCH, AFTER) == []
    changed = [
        replace(file, digest="other") if file.day == FIRST and file.event == "session" else file
        for file in files
    ]
    found = plan(REGISTRY, changed, manifest, EPOCH, AFTER)
    assert {start for _, starts in found for start in starts} == {FIRST}
    assert {
        event for task, _ in found for event in REGISTRY.populations[task.population].reads
    } >= {"session"}
    assert not any(
        REGISTRY.populations[task.population].reads == ("error_log",) for task, _ in found
    )


def test_a_table_that_is_new_is_due_for_all_days() -> None:
    files = lake(7)
    manifest = remembered(files)
    now = noon(FIRST + timedelta(days=7))
    new = passes(REGISTRY, (Window.DAY,))[0]
    names = [name for name in manifest["tables"] if name != table_ids(new)[0]]  # type: ignore[attr-defined]
    found = plan(REGISTRY, files, {**manifest, "tables": names}, EPOCH, now)
    assert [task for task, _ in found] == [new]
    assert len(found[0][1]) == 7


def test_an_empty_lake_has_nothing_to_do() -> None:
    assert plan(REGISTRY, [], {}, EPOCH, AFTER) == []
    assert list(loads([], [], EPOCH)) == []


@pytest.mark.parametrize("most", [10**9, 500, 1])
def test_loads_cover_the_work_once_with_all_the_files_it_needs(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "BATCH_ROWS", most)
    files = lake(35)
    work = plan(REGISTRY, files, {}, EPOCH, AFTER)
    done: list[tuple[Pass, date]] = []
    for held, tasks in loads(work, files, EPOCH):
        days = {file.day for file in held}
        assert len({epoch_of(day, EPOCH) for day in days}) == 1
        for task, starts in tasks:
            done += [(task, start) for start in starts]
            for start in starts:
                length = {Window.DAY: 1, Window.WEEK: 7, Window.PERIOD: 28}[task.window]
                assert {start + timedelta(days=n) for n in range(length)} <= days
    expected = [(task, start) for task, starts in work for start in starts]
    assert sorted(done, key=repr) == sorted(expected, key=repr)


def test_daily_loads_hold_no_more_rows_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    files = lake(6)
    monkeypatch.setattr(planning, "BATCH_ROWS", 2 * 10 * len(SCHEMAS))
    work = [one for one in plan(REGISTRY, files, {}, EPOCH, AFTER) if one[0].window is Window.DAY]
    sizes = [sum(file.rows for file in held) for held, _ in loads(work, files, EPOCH)]
    assert sizes == [2 * 10 * len(SCHEMAS)] * 3
