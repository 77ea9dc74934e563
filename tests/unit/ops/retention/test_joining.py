"""Small files of a day that is still open are joined: fewer files, the same rows."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.staging import MachineClock
from pipeline.io.parquet.encoding import PartKind
from pipeline.ops.retention.joining import ENOUGH, LARGE, MOST_ROWS, REST, joinable
from pipeline.ops.retention.seal import Sealed, Sealer
from tests.unit.io.lakes import meddled
from tests.unit.ops.retention.test_seal import (
    CLOSED,
    DAY,
    STORED,
    rows_of,
    seal,
    store,
    tokens_of,
    without_vacuum,
)

WRITTEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPEN = WRITTEN + REST


@pytest.fixture
def wall() -> list[datetime]:
    """What the machine's clock says, last."""
    return [WRITTEN]


@pytest.fixture
def table(tmp_path: Path, wall: list[datetime]) -> EventTable:
    clock = MachineClock(wall=lambda: wall[-1].timestamp())
    lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state", clock=clock)
    return lake.events("api_request", STORED)


def fill(table: EventTable, count: int = ENOUGH) -> None:
    """Commit so many files of one row, half of them copies of the other half."""
    for number in range(count):
        store(table, [number // 2])


def files_of(*rows: int, kind: str = "part", at: datetime = WRITTEN) -> list[PartFile]:
    at_ms = int(at.timestamp() * 1000)
    return [
        PartFile(f"event_date={DAY}/{kind}-{number}.parquet", "", DAY, count, 1, at_ms)
        for number, count in enumerate(rows)
    ]


def test_files_of_an_open_day_become_one_and_every_row_stays(
    table: EventTable, wall: list[datetime]
) -> None:
    fill(table)
    before = tokens_of(table)
    wall.append(CLOSED + timedelta(hours=1))  # `--now` may be earlier than the machine's clock
    assert seal(table, OPEN) == [
        Sealed("api_request", DAY, PartKind.STREAM, ENOUGH, 1, rows=ENOUGH, duplicates=0)
    ]
    (joined,) = table.snapshot().files
    assert tokens_of(table) == before
    assert (joined.kind, joined.added_ms) == (PartKind.STREAM, WRITTEN.timestamp() * 1000)
    assert table.position("kafka/t/0") == ENOUGH
    assert seal(table, OPEN) == []


def test_the_seal_of_the_day_finds_the_copies_that_were_joined(table: EventTable) -> None:
    fill(table)
    seal(table, OPEN)
    (done,) = seal(table, CLOSED)
    assert (done.kind, done.rows, done.duplicates) == (PartKind.SEALED, ENOUGH // 2, ENOUGH // 2)


def test_an_append_while_files_are_joined_is_kept(table: EventTable) -> None:
    fill(table)
    slow = meddled(table, lambda: store(table, [900], topic="other"))
    (done,) = Sealer().seal("api_request", slow, OPEN)
    assert done.rows == ENOUGH
    assert table.snapshot().rows == len(rows_of(table)) == ENOUGH + 1
    assert table.position("kafka/other/0") == 1


def test_two_that_join_the_same_files_double_nothing(table: EventTable) -> None:
    fill(table)
    rival: list[Sealed] = []

    def be_faster() -> None:
        if not rival:
            rival.extend(seal(table, OPEN))

    assert list(Sealer().seal("api_request", meddled(table, be_faster), OPEN)) == []
    assert len(rival) == 1
    assert table.snapshot().rows == len(rows_of(table)) == ENOUGH


def test_what_a_join_that_was_killed_has_left_is_made_good(table: EventTable) -> None:
    fill(table)
    list(Sealer().seal("api_request", without_vacuum(table), OPEN))
    assert len(rows_of(table)) == 2 * ENOUGH
    assert seal(table, OPEN) == []
    assert len(rows_of(table)) == ENOUGH


def test_few_young_large_and_sealed_files_are_left_alone() -> None:
    assert joinable(files_of(*[5] * (ENOUGH - 1), 8), OPEN) == []
    assert joinable(files_of(*[5] * ENOUGH), OPEN - timedelta(seconds=1)) == []
    assert joinable(files_of(*[LARGE] * ENOUGH), OPEN) == []
    assert joinable(files_of(*[5] * ENOUGH, kind="sealed"), OPEN) == []
    assert len(joinable(files_of(*[5] * ENOUGH), OPEN)) == ENOUGH


def test_a_join_takes_no_more_rows_than_it_can_commit_in_time() -> None:
    chosen = joinable(files_of(*[LARGE - 1] * 1_000), OPEN)
    assert ENOUGH <= len(chosen) < 1_000
    assert sum(file.rows for file in chosen) <= MOST_ROWS


def test_a_row_is_written_again_three_times_at_most_and_files_stay_few() -> None:
    """A day of 20,000 slices, joined whenever enough is there."""
    chance = random.Random(7)
    most = 0
    rewritten: list[tuple[int, int]] = []
    for _ in range(20_000):
        rewritten.append((chance.choice([1, 9, 70, 600, 5_000]), 0))
        most = max(most, len(rewritten))
        if len(rewritten) % ENOUGH:
            continue
        files = files_of(*[rows for rows, _ in rewritten])
        while chosen := {int(file.path[:-8].rpartition("-")[2]) for file in joinable(files, OPEN)}:
            taken = [one for at, one in enumerate(rewritten) if at in chosen]
            rest = [one for at, one in enumerate(rewritten) if at not in chosen]
            rewritten = [*rest, (sum(rows for rows, _ in taken), 1 + max(n for _, n in taken))]
            files = files_of(*[rows for rows, _ in rewritten])
    assert max(number for _, number in rewritten) <= 3
    assert most < 1_000


def test_a_day_of_tomorrow_is_open_as_well(table: EventTable) -> None:
    for number in range(ENOUGH):
        store(table, [number], day=date(2026, 11, 21))
    assert [done.files_after for done in seal(table, OPEN)] == [1]
