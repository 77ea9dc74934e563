"""Rewrites swap files in one step; cleaning removes rubbish and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipeline.errors import OutcomeUnknown, RewriteConflict, SliceExpired
from pipeline.io.delta import commit
from pipeline.io.disk import locks
from pipeline.io.lake import storage
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.orphans import SWEEP_AFTER_SECONDS
from pipeline.io.lake.staging import ABANDON_AFTER_SECONDS, MachineClock
from pipeline.io.parquet.encoding import PartKind
from tests.unit.io.lakes import (
    DAYS,
    EVENT,
    app_id,
    batch,
    expected,
    files_of,
    globbed,
    logged,
    meddled,
    table_of,
)


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def without(lake: Lake, *gone: str) -> None:
    """Rewrite the first day of the table without some subjects, as an erasure does."""
    table = table_of(lake)
    files = table.snapshot().by_day()[DAYS[0]]
    staging = table.staging()
    rows = pa.concat_tables([table.storage.read(file.path) for file in files])
    keep = [subject not in gone for subject in rows["subject"].to_pylist()]
    with staging.open(DAYS[0], rows.schema, PartKind.SEALED) as part:
        part.write(rows.filter(pa.array(keep)))
    table.rewrite(files, staging, metadata={"job": "test"})


def test_a_rewrite_swaps_files_and_a_vacuum_deletes_the_old_ones(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    for start in range(0, 30, 10):
        table.commit(batch(start, start + 10))
    old = {file.path for file in table.snapshot().by_day()[DAYS[0]]}
    without(lake, "abc-4", "abc-16")
    left = sorted(set(expected(0, 30)) - {"abc-4", "abc-16"})
    assert logged(lake) == left
    assert set(table.vacuum()) == old
    assert globbed(root) == left
    assert table.position(app_id()) == 30
    assert table.history()[-1].account == {"job": "test"}
    assert table.vacuum() == ()


def test_a_vacuum_beside_another_rewrite_succeeds_and_commits_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """delta-rs's own deletion fails when another job removes files while it works."""
    table = table_of(lake)
    for start in range(0, 30, 10):
        table.commit(batch(start, start + 10))
    without(lake, "abc-4")
    load = DeltaLog.load

    def outrun(log: DeltaLog) -> DeltaTable | None:
        loaded = load(log)
        monkeypatch.setattr(DeltaLog, "load", load)
        table.rewrite(table.snapshot().by_day()[DAYS[1]], metadata={"job": "rival"})
        return loaded

    monkeypatch.setattr(DeltaLog, "load", outrun)
    assert len(table.vacuum()) == 3
    assert table.history()[-1].account == {"job": "rival"}
    assert len(table.vacuum()) == 3


def test_a_vacuum_still_finds_what_was_removed_many_commits_ago(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    without(lake, "abc-4")
    for start in range(10, 80):
        table.commit(batch(start, start + 1))
    assert list((root / "events" / EVENT / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(table.vacuum()) == 1
    assert len(globbed(root)) == 79


def test_a_vacuum_leaves_files_that_another_writer_has_staged(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))

    def meddle() -> None:
        if not table.vacuum():
            without(lake, "abc-4")
            table.vacuum()

    other = meddled(table_of(Lake(str(root))), meddle)
    other.commit(batch(10, 20))
    assert globbed(root) == logged(lake) == sorted(set(expected(0, 20)) - {"abc-4"})


def test_rows_that_arrive_during_a_rewrite_stay(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    files = table.snapshot().by_day()[DAYS[0]]
    arriving = meddled(table, lambda: table_of(Lake(str(root))).commit(batch(10, 20)))
    arriving.rewrite(files, metadata={"job": "expire"})
    table.vacuum()
    left = sorted(f"abc-{offset}" for offset in range(20) if offset % 2 or offset >= 10)
    assert globbed(root) == logged(lake) == left


def test_two_rewrites_of_one_file_do_not_both_succeed(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    files = table.snapshot().files
    racing = meddled(table, lambda: without(Lake(str(root)), "abc-4"))
    staging = racing.staging()
    staging.write(DAYS[0], table.storage.read(files[0].path))
    with pytest.raises(RewriteConflict):
        racing.rewrite(files, staging, metadata={"job": "late"})
    with pytest.raises(RewriteConflict):
        table.rewrite(files, metadata={"job": "later still"})
    table.vacuum()
    assert globbed(root) == logged(lake) == sorted(set(expected(0, 10)) - {"abc-4"})
    assert len(files_of(root)) == 2


def test_a_machine_that_is_hours_ahead_sweeps_nothing_in_flight(root: Path) -> None:
    lake = Lake(str(root))
    table_of(lake).commit(batch(0, 10))
    in_flight = table_of(lake).stage(batch(10, 20))
    ahead = Lake(str(root), clock=MachineClock(lambda: time.time() + 2 * SWEEP_AFTER_SECONDS))
    assert ahead.recover() == 0
    table_of(lake).publish(in_flight, batch(10, 20))
    assert logged(lake) == expected(0, 20)


def test_a_log_that_names_a_missing_file_is_found(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 10))
    assert lake.missing_files() == ()
    lost = next((root / "events" / EVENT).glob("event_date=*/*.parquet"))
    lost.unlink()
    relative = lost.relative_to(root / "events" / EVENT)
    assert lake.missing_files() == (f"events/{EVENT}/{relative}",)


@pytest.mark.parametrize("job", ["append", "rewrite"])
def test_nobody_can_discard_what_a_commit_may_name(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """The commit is made, its call fails, and the log cannot be asked; callers clean up."""
    table = table_of(lake)
    table.commit(batch(0, 10))
    real = DeltaTable.create_write_transaction

    def lost(*args: Any, **options: Any) -> None:
        real(*args, **options)
        raise OSError(5, "Input/output error")

    def silent(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OutcomeUnknown):
        patch.setattr(DeltaTable, "create_write_transaction", lost)
        patch.setattr(commit, "judge", silent)
        if job == "append":
            table.commit(batch(10, 20))
        else:
            files = table.snapshot().by_day()[DAYS[0]]
            with table.staging() as staging:
                staging.write(DAYS[0], table.storage.read(files[0].path))
                table.rewrite(files, staging, metadata={"job": "test"})
    again = Lake(str(root), state=root.parent / "state")
    again.recover()
    assert again.missing_files() == ()
    assert logged(again) == expected(0, 20 if job == "append" else 10)


def test_a_rewrite_that_waited_too_long_is_thrown_away(root: Path) -> None:
    now = [1e9]
    lake = Lake(str(root), clock=MachineClock(lambda: now[0], lambda: 0.0))
    table = table_of(lake)
    table.commit(batch(0, 10))
    staging = table.staging()
    staging.write(DAYS[0], table.storage.read(table.snapshot().files[0].path))
    now[0] += ABANDON_AFTER_SECONDS + 1
    with pytest.raises(SliceExpired):
        table.rewrite(table.snapshot().files, staging, metadata={})
    assert globbed(root) == logged(lake) == expected(0, 10)


def test_leftovers_are_told_apart(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    day = root / "events" / EVENT / "event_date=2026-11-23"
    part = f"part-{'0' * 12}-{'1' * 32}.parquet"
    for name in (part, f".{part}.tmp", part.replace("1", "2"), "notes.txt", "part-x.parquet"):
        (day / name).write_bytes(b"x")
    for name in (part, f".{part}.tmp", "notes.txt"):
        age(day / name, SWEEP_AFTER_SECONDS + 60)
    found = table.leftovers()
    assert [Path(file.path).name for file in found.orphans] == [f".{part}.tmp", part]
    assert [Path(file.path).name for file in found.young] == [part.replace("1", "2")]
    assert [Path(file.path).name for file in found.foreign] == ["notes.txt", "part-x.parquet"]
    assert table.sweep() == 2
    assert not (day / part).exists()
    assert (day / "notes.txt").exists()
    assert logged(lake) == expected(0, 10)


def test_old_files_of_a_living_writer_are_left_alone(lake: Lake, root: Path) -> None:
    staging = table_of(lake).stage(batch(0, 10))
    for name in files_of(root):
        age(root / name, SWEEP_AFTER_SECONDS + 60)
    table_of(lake).log.ensure()
    other = Lake(str(root), state=root.parent / "state")
    assert table_of(other).sweep() == 0
    table_of(lake).publish(staging, batch(0, 10))
    assert globbed(root) == expected(0, 10)


def test_committed_files_are_never_swept_however_old(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 10))
    for name in files_of(root):
        age(root / name, 90 * 86_400)
    assert lake.recover() == 0
    assert globbed(root) == expected(0, 10)


def test_what_a_crash_left_before_the_first_commit_is_removed(lake: Lake, root: Path) -> None:
    table_of(lake).stage(batch(0, 10))
    assert len(files_of(root)) == 2
    lake.writer.leftovers = True
    lake.close()
    assert Lake(str(root), state=root.parent / "state").recover() == 2
    assert files_of(root) == []


def test_one_state_folder_may_serve_two_lakes(tmp_path: Path) -> None:
    first, second = (Lake(str(tmp_path / name), state=tmp_path / "s") for name in ("a", "b"))
    table_of(first).commit(batch(0, 10))
    staging = table_of(first).stage(batch(10, 20))
    staging.reveal()
    first.writer.leftovers = True
    first.close()
    table_of(second).commit(batch(0, 4))
    assert second.recover() == 0
    again = Lake(str(tmp_path / "a"), state=tmp_path / "s")
    assert again.recover() == 2
    assert globbed(tmp_path / "a") == expected(0, 10)


def test_the_lake_knows_its_tables(lake: Lake) -> None:
    assert lake.stored_events() == ()
    table_of(lake).commit(batch(0, 10))
    (Path(lake.root) / "events" / "not_a_table").mkdir()
    assert lake.stored_events() == (EVENT,)
    assert lake.stored(EVENT).snapshot().rows == 10


def test_the_name_of_a_new_day_is_durable(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    table = table_of(lake)
    for module in (storage, locks):
        monkeypatch.setattr(module, "sync_folder", lambda folder: synced.append(folder.name))
    table.commit(batch(0, 10))
    assert synced.count(EVENT) == len(DAYS)
    table.commit(batch(10, 20))
    assert synced.count(EVENT) == len(DAYS)
