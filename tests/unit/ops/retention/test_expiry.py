"""Expiry deletes what is due and nothing else, only as shown, and goes on after any crash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from pipeline.errors import ExpiryRefused
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.rights.receipts import Receipts
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.expiry_plan import guards
from pipeline.ops.rights.erasure import Subjects, erase
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.ops.retention.test_seal import STORED, store

FIRST = date(2026, 8, 1)
STEPS = ["remember", "delete events/api_request", "verify", "destroy key", "receipt", "forget"]


class Killed(BaseException):
    """Stands for the end of the process."""


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


DUE = midnight(FIRST + timedelta(days=89))


class World:
    """Sixty days of ten rows, the keys of their epochs, and an expiry over them."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.lake = Lake(str(folder / "lake"), state=self.state)
        self.table: EventTable = self.lake.events("api_request", STORED)
        self.now = midnight(FIRST)
        self.keys = LocalKeystore(self.state / "keys", now=lambda: self.now)
        days = [FIRST + timedelta(days=number // 10) for number in range(600)]
        store(self.table, range(600), day=days)
        for day in days[::10]:
            self.keys.epoch_key(epoch_of(day, EpochKind.WEEK))
        self.receipts = Receipts(self.state / "receipts.ndjson")

    def expiry(self, holds: Mapping[date, str] | None = None) -> Expiry:
        tables = [ExpiringTable("events/api_request", self.table, 89)]
        holds = holds or {}
        return Expiry(tables, self.keys, self.receipts, self.state, holds, check_store_clock=False)

    def expire(self, now: datetime, *acknowledged: str) -> None:
        expiry = self.expiry()
        expiry.apply(expiry.propose(now).plan.digest, now, acknowledged)

    @property
    def days(self) -> list[date]:
        """Days as a reader sees them that globs, and as the log has them: they must agree."""
        pattern = "event_date=*/*.parquet"
        globbed = sorted(
            {path.parent.name.partition("=")[2] for path in Path(self.table.log.uri).glob(pattern)}
        )
        assert globbed == [str(day) for day in self.table.snapshot().by_day()]
        return [date.fromisoformat(day) for day in globbed]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_day_is_due_at_the_stroke_of_its_eighty_ninth_day(world: World) -> None:
    early = world.expiry().propose(DUE - timedelta(microseconds=1)).plan
    assert early.empty
    plan = world.expiry().propose(DUE).plan
    assert plan.partitions == (("events/api_request", FIRST),)
    assert (plan.rows, plan.rows_in_lake, plan.overdue) == (10, 600, ())
    assert world.expiry().propose(DUE + timedelta(days=1)).plan.overdue == (FIRST,)


def test_an_expiry_deletes_the_day_its_folder_and_leaves_a_receipt(world: World) -> None:
    world.expire(DUE)
    assert world.days[0] == FIRST + timedelta(days=1)
    assert not (Path(world.table.log.uri) / f"event_date={FIRST}").exists()
    (receipt,) = world.receipts.all()
    assert receipt.body["partitions"] == [f"events/api_request/{FIRST}"]
    assert world.receipts.verify() is None
    assert world.expiry().propose(DUE).plan.empty


def test_a_receipt_says_what_was_deleted_not_what_was_planned(world: World) -> None:
    """Another job rewrites the day between plan and deletion: its new file is not in the plan."""
    subject = f"{3:032x}"
    meant = Subjects(EpochKind.WEEK, {epoch_of(FIRST, EpochKind.WEEK).name: [subject]})

    def interfere(step: str) -> None:
        if step == "delete events/api_request":
            assert erase(world.table, meant, job="erase").rows_removed

    expiry = world.expiry()
    body = expiry.apply(expiry.propose(DUE).plan.digest, DUE, (), interfere).body
    assert (body["files"], body["rows"], body["planned"]["rows"]) == (0, 0, 10)  # type: ignore[index]
    assert world.days[0] == FIRST
    again = world.expiry()
    body = again.apply(again.propose(DUE).plan.digest, DUE).body
    assert (body["files"], body["rows"], body["resumed"]) == (1, 9, False)


def test_a_key_goes_when_the_last_day_of_its_epoch_has_gone(world: World) -> None:
    epoch = epoch_of(FIRST, EpochKind.WEEK)
    while not world.expiry().propose(world.now).plan.keys:
        assert world.keys.live_key(epoch.name)
        if not world.expiry().propose(world.now).plan.empty:
            world.expire(world.now)
        world.now += timedelta(days=1)
    assert world.now == midnight(epoch.last_day + timedelta(days=89))
    world.expire(world.now)
    assert world.keys.live_key(epoch.name) is None
    assert not world.keys.destroy(epoch.name)
    assert world.days[0] == epoch.last_day + timedelta(days=1)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_is_continued_with_the_same_hash(world: World, step: str) -> None:
    world.now = now = midnight(epoch_of(FIRST, EpochKind.WEEK).last_day + timedelta(days=89))
    proposal = world.expiry().propose(now)
    assert proposal.plan.keys

    def die(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        world.expiry().apply(proposal.plan.digest, now, die_at_once(), die)
    again = world.expiry().propose(now)
    assert again.begun == (step != "remember")
    assert again.plan.digest == proposal.plan.digest
    world.expiry().apply(again.plan.digest, now, die_at_once())
    assert world.days[0] == epoch_of(FIRST, EpochKind.WEEK).last_day + timedelta(days=1)
    assert [one.name for one in world.keys.epochs() if not one.live] == list(proposal.plan.keys)
    planned, rows = proposal.plan.rows, [one.body["rows"] for one in world.receipts.all()]
    # What the killed run had deleted is not counted once more: its receipt is not there.
    before = STEPS.index(step) <= STEPS.index("delete events/api_request")
    assert rows == ([planned, 0] if step == "forget" else [planned if before else 0])
    assert {one.body["planned"]["rows"] for one in world.receipts.all()} == {planned}  # type: ignore[index]
    assert not (world.state / "expiry.json").exists()
    assert world.expiry().propose(now).plan.empty


def die_at_once() -> tuple[str, ...]:
    """What has to be acknowledged so that only the crash stops the run."""
    return ("rows", "partitions")


def test_a_plan_that_changed_is_refused_and_nothing_is_deleted(world: World) -> None:
    digest = world.expiry().propose(DUE).plan.digest
    store(world.table, [9_999], topic="late", day=FIRST)
    before = world.table.snapshot()
    with pytest.raises(ExpiryRefused, match="not the one"):
        world.expiry().apply(digest, DUE)
    assert world.table.snapshot() == before


def test_the_hash_covers_the_files_not_the_time(world: World) -> None:
    noon = world.expiry().propose(DUE + timedelta(hours=12)).plan
    assert noon.digest == world.expiry().propose(DUE).plan.digest


def test_a_held_day_stays_and_its_key_with_it(world: World) -> None:
    now = midnight(FIRST + timedelta(days=100))
    plan = world.expiry({FIRST: "case"}).propose(now).plan
    assert FIRST not in {day for _, day in plan.partitions}
    assert [(held.day, held.hold) for held in plan.held] == [(FIRST, "case")]
    assert epoch_of(FIRST, EpochKind.WEEK).name not in plan.keys


def test_orphans_of_a_due_day_go_and_foreign_files_stay(world: World) -> None:
    root = Path(world.table.log.uri)
    orphan = root / f"event_date={FIRST}" / f"part-{'0' * 12}-{'1' * 32}.parquet"
    foreign = [
        root / f"event_date={FIRST}" / "notes.txt",
        root / "event_date=soon" / "part.parquet",
    ]
    undated = root / "event_date=2026-99-99" / orphan.name
    for path in (orphan, undated, *foreign):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
        os_age(path, 7200)
    plan = world.expiry().propose(DUE).plan
    assert [file.path for file in plan.files if not file.named] == [
        f"event_date={FIRST}/{orphan.name}"
    ]
    assert list(plan.foreign) == sorted(
        f"events/api_request/{path.relative_to(root)}" for path in (undated, *foreign)
    )
    world.expire(DUE)
    assert not orphan.exists()
    assert all(path.exists() for path in (undated, *foreign))


def os_age(path: Path, seconds: float) -> None:
    import os

    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


@pytest.mark.parametrize(
    ("now", "guard", "acknowledgeable"),
    [
        (DUE + timedelta(days=3), "partitions", True),
        (DUE + timedelta(days=3), "rows", True),
        (datetime(9999, 1, 1, tzinfo=UTC), "partitions", True),
    ],
)
def test_a_clock_that_is_far_ahead_meets_a_guard(
    world: World, now: datetime, guard: str, acknowledgeable: bool
) -> None:
    proposal = world.expiry().propose(now)
    assert (guard, acknowledgeable) in {
        (found.name, found.acknowledgeable) for found in proposal.guards
    }
    with pytest.raises(ExpiryRefused, match="Nothing was deleted"):
        world.expiry().apply(proposal.plan.digest, now)
    assert len(world.days) == 60


def test_no_expiry_runs_before_the_last_one(world: World) -> None:
    world.expire(DUE)
    earlier = DUE - timedelta(days=1)
    found = world.expiry().propose(earlier).guards
    assert [(guard.name, guard.acknowledgeable) for guard in found] == [("order", False)]


@pytest.mark.parametrize(("hours", "refused"), [(40, True), (-24, True), (0.05, False)])
def test_a_clock_that_differs_from_the_stores_is_refused(
    world: World, hours: float, refused: bool
) -> None:
    plan = world.expiry().propose(DUE).plan
    found = guards(plan, DUE + timedelta(hours=hours), None, DUE)
    assert [guard.name for guard in found] == (["clock"] if refused else [])
    assert not any(guard.acknowledgeable for guard in found)


def test_the_pending_plan_names_files_and_nothing_else(world: World) -> None:
    def stop(step: str) -> None:
        if step == "verify":
            raise Killed

    with pytest.raises(Killed):
        world.expiry().apply(world.expiry().propose(DUE).plan.digest, DUE, (), stop)
    pending = world.state / "expiry.json"
    assert pending.stat().st_mode & 0o077 == 0
    assert set(json.loads(pending.read_text())) == {
        "files", "keys", "rows_in_lake", "held", "foreign", "overdue",
    }  # fmt: skip
