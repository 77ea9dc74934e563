"""Staged files are whole, hidden and removable until a commit names them, and never after."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import EnvironmentProblem, SliceExpired
from pipeline.io.lake.orphans import is_revealed, writer_of
from pipeline.io.lake.staging import ABANDON_AFTER_SECONDS, MachineClock, Staging, add_action
from pipeline.io.lake.storage import LocalStorage
from pipeline.io.parquet.encoding import PartKind, kind_of
from tests.unit.io.lakes import DAYS, files_of

WRITER = "0123456789ab"
ROWS = pa.table({"subject": ["a", "b", "c"]})


class Times:
    """Two clocks that tests move."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1e9, 5.0


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def staging(tmp_path: Path, times: Times) -> Staging:
    clock = MachineClock(lambda: times.wall, lambda: times.monotonic)
    return Staging(LocalStorage(tmp_path), "/lake/t", "event_date", WRITER, clock)


def test_a_staged_file_is_whole_hidden_and_of_its_writer(staging: Staging, tmp_path: Path) -> None:
    staging.write(DAYS[0], ROWS)
    (file,) = staging.files
    assert files_of(tmp_path) == [file.hidden]
    assert pq.read_table(tmp_path / file.hidden, partitioning=None).equals(ROWS)
    assert (file.day, file.rows, file.size) == (DAYS[0], 3, (tmp_path / file.hidden).stat().st_size)
    assert writer_of(file.path) == WRITER
    assert file.path.startswith(f"event_date={DAYS[0]}/")


def test_a_file_may_be_written_in_pieces(staging: Staging, tmp_path: Path) -> None:
    with staging.open(DAYS[1], ROWS.schema, PartKind.SEALED) as part:
        for _ in range(3):
            part.write(ROWS)
        assert part.size > 0
    (file,) = staging.files
    assert (file.rows, kind_of(file.path)) == (9, PartKind.SEALED)
    assert pq.read_table(tmp_path / file.hidden, partitioning=None).num_rows == 9


def test_revealing_gives_the_final_names_once(staging: Staging, tmp_path: Path) -> None:
    for day in DAYS:
        staging.write(day, ROWS)
    for _ in range(2):
        staging.reveal()
    assert files_of(tmp_path) == [file.path for file in staging.files]
    assert all(map(is_revealed, files_of(tmp_path)))


@pytest.mark.parametrize("revealed", [False, True])
def test_discarding_removes_the_files_under_whichever_name(
    staging: Staging, tmp_path: Path, revealed: bool
) -> None:
    staging.write(DAYS[0], ROWS)
    if revealed:
        staging.reveal()
    staging.discard()
    staging.discard()
    assert files_of(tmp_path) == []


def test_files_that_the_log_may_name_are_not_discarded(staging: Staging, tmp_path: Path) -> None:
    staging.write(DAYS[0], ROWS)
    staging.hand_over()
    with pytest.raises(RuntimeError), staging:
        raise RuntimeError
    assert len(files_of(tmp_path)) == 1
    staging.take_back()
    staging.discard()
    assert files_of(tmp_path) == []


def test_a_block_that_fails_leaves_nothing(staging: Staging, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), staging:
        staging.write(DAYS[0], ROWS)
        with staging.open(DAYS[1], ROWS.schema) as part:
            part.write(ROWS)
            raise RuntimeError
    assert files_of(tmp_path) == []
    assert staging.files == []


@pytest.mark.usefixtures("heeds_permissions")
def test_a_file_that_cannot_be_written_takes_the_others_with_it(
    staging: Staging, tmp_path: Path
) -> None:
    staging.write(DAYS[0], ROWS)
    (tmp_path / f"event_date={DAYS[1]}").mkdir(mode=0o500)
    with pytest.raises(EnvironmentProblem, match="permission denied") as caught:
        staging.write(DAYS[1], ROWS)
    assert caught.value.where == "/lake/t"
    assert files_of(tmp_path) == []


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
def test_files_that_may_have_been_swept_are_not_committed(
    staging: Staging, times: Times, clock: str
) -> None:
    """A suspended machine stops one clock, a corrected one turns back."""
    staging.check_age()
    setattr(times, "wall" if clock == "monotonic" else "monotonic", -1e6)
    setattr(times, clock, getattr(times, clock) + ABANDON_AFTER_SECONDS)
    staging.check_age()
    setattr(times, clock, getattr(times, clock) + 1)
    with pytest.raises(SliceExpired, match="1801 s ago"):
        staging.check_age()


def test_a_commit_learns_a_files_rows_and_day_and_no_value(staging: Staging) -> None:
    staging.write(DAYS[0], ROWS)
    (action,) = staging.actions()
    assert json.loads(str(action.stats)) == {"numRecords": 3}
    assert action.partition_values == {"event_date": DAYS[0].isoformat()}
    assert (action.path, action.size) == (staging.files[0].path, staging.files[0].size)
    assert add_action(staging.files[0], "event_date", 2.5).modification_time == 2500
