"""What an expiry would delete: what is due and nothing else, under a digest of the whole list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pipeline.io.keys.keystore import EpochRecord
from pipeline.io.lake.orphans import Leftovers
from pipeline.io.lake.snapshot import PartFile, Snapshot
from pipeline.io.lake.storage import StoredFile
from pipeline.ops.retention.expiry_plan import (
    CLOCK_DIFFERENCE,
    Doomed,
    ExpiryPlan,
    HeldDay,
    TableView,
    day_of,
    guards,
    plan_expiry,
)
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEPT, RETENTION = 89, 90
DUE = NOW.date() - timedelta(days=KEPT)
"""The youngest day that goes."""
DAY = timedelta(days=1)


def name(day: date, digit: str = "1") -> str:
    return f"event_date={day}/part-{'0' * 12}-{digit * 32}.parquet"


def part(day: date, rows: int = 10, digit: str = "1") -> PartFile:
    return PartFile(name(day, digit), "", day, rows, 100, 0)


def table(
    *days: date,
    orphans: Iterable[str] = (),
    young: Iterable[str] = (),
    foreign: Iterable[str] = (),
    where: str = "events/session",
) -> TableView:
    found = (
        tuple(StoredFile(path, 7, 0.0) for path in paths) for paths in (orphans, young, foreign)
    )
    snapshot = Snapshot(1, tuple(part(day) for day in days))
    return TableView(where, snapshot, Leftovers(*found), KEPT)


def epochs(*days: date, kind: EpochKind = EpochKind.WEEK) -> list[EpochRecord]:
    return [
        EpochRecord(one.name, one.last_day, "") for one in (epoch_of(day, kind) for day in days)
    ]


def planned(
    *tables: TableView,
    keys: Sequence[EpochRecord] = (),
    holds: Mapping[date, str] | None = None,
    now: datetime = NOW,
) -> ExpiryPlan:
    return plan_expiry(tables, keys, holds or {}, now, RETENTION)


def test_days_up_to_the_last_kept_one_go_and_older_ones_are_overdue() -> None:
    plan = planned(table(DUE - DAY, DUE, DUE + DAY))
    assert [file.day for file in plan.files] == [DUE - DAY, DUE]
    assert (plan.overdue, plan.rows, plan.rows_in_lake) == ((DUE - DAY,), 20, 30)
    assert plan.partitions == (("events/session", DUE - DAY), ("events/session", DUE))


def test_a_held_day_stays_and_is_named_with_its_hold() -> None:
    plan = planned(table(DUE - DAY, DUE), holds={DUE: "case 1", DUE + DAY: "case 2"})
    assert [file.day for file in plan.files] == [DUE - DAY]
    assert plan.held == (HeldDay(DUE, "case 1"),)


def test_orphans_go_with_their_day_and_young_files_a_day_later() -> None:
    view = table(orphans=[name(DUE)], young=[name(DUE, "2"), name(DUE - DAY, "3")])
    plan = planned(view)
    assert [(file.path, file.rows, file.named) for file in plan.files] == [
        (name(DUE - DAY, "3"), 0, False),
        (name(DUE), 0, False),
    ]


def test_what_is_not_ours_is_named_and_never_deleted() -> None:
    strange = ["notes.txt", f"event_date={DUE - DAY}/part-x.parquet"]
    plan = planned(table(foreign=strange))
    assert plan.empty
    assert plan.foreign == tuple(f"events/session/{path}" for path in sorted(strange))


def test_a_key_goes_once_the_last_day_of_its_epoch_does() -> None:
    due = epoch_of(DUE, EpochKind.WEEK)
    (record,) = epochs(DUE)
    now = NOW + (due.last_day - DUE) * 1
    assert planned(keys=[record], now=now - DAY).keys == ()
    assert planned(keys=[record], now=now).keys == (due.name,)
    assert planned(keys=[replace(record, destroyed_at="2026-11-01")], now=now).empty


def test_a_hold_keeps_the_key_of_its_own_epoch_alone() -> None:
    before, held, after = epochs(*(DUE - DAY * (7 * n) for n in (4, 3, 2)))
    inside = held.last_day - DAY
    plan = planned(keys=[before, held, after], holds={inside: "case"})
    assert plan.keys == tuple(sorted([before.name, after.name]))
    first = held.last_day - 6 * DAY
    assert held.name not in planned(keys=[held], holds={first: "case"}).keys
    assert held.name in planned(keys=[held], holds={first - DAY: "case"}).keys


def test_the_digest_is_that_of_the_list_of_files_and_keys() -> None:
    one = planned(table(DUE - DAY, DUE), keys=epochs(DUE - 30 * DAY))
    assert one.digest == planned(table(DUE, DUE - DAY), keys=epochs(DUE - 30 * DAY)).digest
    file = one.files[0]
    for other in (
        replace(one, files=one.files[1:]),
        replace(one, files=(replace(file, size=1), *one.files[1:])),
        replace(one, files=(replace(file, table="events/other"), *one.files[1:])),
        replace(one, keys=()),
    ):
        assert other.digest != one.digest
    assert replace(one, foreign=("x",), overdue=()).digest == one.digest


@pytest.mark.parametrize("path", ["notes.txt", "event_date=x/part.parquet", name(DUE)[:-1]])
def test_only_our_files_have_a_day(path: str) -> None:
    assert day_of(StoredFile(path, 1, 0.0)) is None
    assert day_of(StoredFile(name(DUE), 1, 0.0)) == DUE


def plan_of(days: int, rows: int = 1, lake: int = 10_000, where: str = "events/a") -> ExpiryPlan:
    files = [Doomed(where, f"{n}", DUE - n * DAY, 1, rows, True) for n in range(days)]
    return ExpiryPlan(tuple(files), (), lake)


def names(
    plan: ExpiryPlan, last: datetime | None = None, store: datetime | None = NOW
) -> list[str]:
    return [guard.name for guard in guards(plan, NOW, last, store)]


def test_an_ordinary_expiry_meets_no_guard() -> None:
    assert names(plan_of(3)) == names(plan_of(0)) == []
    assert names(plan_of(3), NOW - DAY, NOW + CLOCK_DIFFERENCE) == []
    assert names(plan_of(1, rows=500)) == []


def test_a_clock_that_may_be_wrong_is_no_reason_that_can_be_waved_through() -> None:
    wrong = guards(plan_of(1), NOW, NOW + timedelta(seconds=1), NOW - CLOCK_DIFFERENCE * 2)
    assert [(guard.name, guard.acknowledgeable) for guard in wrong] == [
        ("order", False),
        ("clock", False),
    ]
    assert names(plan_of(1), store=None) == []


def test_too_much_at_once_has_to_be_acknowledged() -> None:
    much = guards(plan_of(4, rows=126), NOW, None, NOW)
    assert [(guard.name, guard.acknowledgeable) for guard in much] == [
        ("partitions", True),
        ("rows", True),
    ]
    assert "4 days" in much[0].why
    assert names(plan_of(40, where="rejections")) == []
