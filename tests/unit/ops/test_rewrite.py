"""Files of a day are replaced as a whole or not at all, whoever else is at work."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import RewriteConflict
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.ops.rewrite import ATTEMPTS, Rewritten, on_snapshot, retried
from pipeline.ops.rights.erasure import Subjects, erase
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.ops.retention.test_seal import DAY, STORED, rows_of, store, without_vacuum

ROUNDS = 6
EPOCH = epoch_of(DAY, EpochKind.FOUR_WEEKS).name


def opened(folder: Path) -> EventTable:
    return Lake(str(folder / "lake"), state=folder / "state").events("api_request", STORED)


def without_first(table: EventTable) -> Rewritten:
    """Plan and commit one rewrite that leaves out the first row of the day."""
    files = table.snapshot().by_day()[DAY]
    rows = pa.concat_tables([table.storage.read(file.path) for file in files])
    staging = table.staging()
    staging.write(DAY, rows.slice(1))
    table.rewrite(files, staging, metadata={"job": "test"})
    return Rewritten(len(files), 1, rows.num_rows, rows.num_rows - 1)


def shrink(folder: Path) -> None:
    """Take out one row after the other; the body of a process."""
    table = opened(folder)
    for _ in range(ROUNDS):
        retried(lambda: without_first(table), table)


def add(folder: Path) -> None:
    """Add one row after the other; the body of a process."""
    table = opened(folder)
    for number in range(ROUNDS):
        store(table, [1000 + number], topic="appended")


def test_processes_that_rewrite_one_day_lose_and_double_nothing(tmp_path: Path) -> None:
    store(opened(tmp_path), range(40))
    processes = [
        multiprocessing.get_context("spawn").Process(target=body, args=(tmp_path,))
        for body in (shrink, shrink, add)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    table = opened(tmp_path)
    rows = rows_of(table)
    assert len(rows) == len(set(rows)) == table.snapshot().rows == 40 - 2 * ROUNDS + ROUNDS


@pytest.mark.parametrize("fault", [RewriteConflict("another was faster"), FileNotFoundError()])
def test_a_rewrite_of_files_that_are_gone_is_planned_anew(tmp_path: Path, fault: Exception) -> None:
    table = opened(tmp_path)
    store(table, [1, 2, 3])
    calls: list[int] = []

    def attempt() -> Rewritten:
        calls.append(1)
        if len(calls) == 1:
            raise fault
        return without_first(table)

    assert retried(attempt, table).rows_removed == 1
    assert len(rows_of(table)) == 2


def test_somebody_who_is_disturbed_for_ever_says_so(tmp_path: Path) -> None:
    calls: list[int] = []

    def attempt() -> Rewritten:
        calls.append(1)
        raise RewriteConflict("another was faster")

    with pytest.raises(RewriteConflict):
        retried(attempt, opened(tmp_path))
    assert len(calls) == ATTEMPTS


def test_a_repeated_erasure_deletes_what_a_killed_one_has_left(tmp_path: Path) -> None:
    """Killed between its commit and the deletion, it leaves the rows on the disk."""
    table = opened(tmp_path)
    store(table, [1, 2, 3])
    gone = f"{1:032x}"
    subjects = Subjects(EpochKind.FOUR_WEEKS, {EPOCH: [gone]})
    erase(without_vacuum(table), subjects, job="test")
    assert gone in {row[1] for row in rows_of(table)}
    assert erase(table, subjects, job="test") == Rewritten()
    assert gone not in {row[1] for row in rows_of(table)}


def test_an_error_on_files_that_are_all_there_is_passed_on_at_once() -> None:
    """Files that were added meanwhile explain nothing."""
    looks = iter([{"a"}, {"a", "b"}])

    def fail(files: set[str]) -> None:
        raise ValueError(sorted(files))

    with pytest.raises(ValueError, match="'a'"):
        on_snapshot(lambda: next(looks), lambda files: files, fail)


def test_work_on_files_of_which_one_vanished_is_done_on_the_newest_snapshot() -> None:
    looks = iter([{"a", "b"}, {"b"}, {"b"}])

    def work(files: set[str]) -> int:
        if "a" in files:
            raise ValueError
        return len(files)

    assert on_snapshot(lambda: next(looks), lambda files: files, work) == 1
