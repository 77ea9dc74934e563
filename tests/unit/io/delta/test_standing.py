"""What a commit costs does not grow: it reads the entries written since, and no more."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from pipeline.errors import PositionConflict, PositionForgotten
from pipeline.io.delta import standing
from pipeline.io.delta.entry import parse_entry
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import app_id, batch, expected, globbed, logged, table_of


class Work:
    """Counts what is read of logs: entries one by one, and whole tables."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.entries = self.tables = 0
        patch.setattr(standing, "parse_entry", self._counted("entries", parse_entry))
        patch.setattr(DeltaLog, "_at", self._counted("tables", DeltaLog._at))

    def _counted(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any) -> Any:
            setattr(self, kind, getattr(self, kind) + 1)
            return call(*args)

        return counting


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def opened(root: Path) -> EventTable:
    return table_of(Lake(str(root), state=root.parent / "state"))


def take(table: EventTable, start: int, stop: int) -> None:
    """Ask where the lake stands and commit, as a shard does."""
    assert (table.position(app_id()) or 0) == start
    table.commit(batch(start, stop))


def test_a_commit_reads_one_entry_however_long_the_log_is(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = opened(root)
    take(table, 0, 1)
    work = Work(monkeypatch)
    costs = []
    for number in range(1, 45):
        take(table, number, number + 1)
        costs.append((work.entries, work.tables))
        work.entries = work.tables = 0
    assert set(costs[1:]) == {(1, 0)}


def test_what_others_wrote_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = opened(root), opened(root)
    take(one, 0, 1)
    other.position(app_id())
    for number in range(1, 6):
        take(one, number, number + 1)
    work = Work(monkeypatch)
    assert other.position(app_id()) == 6
    assert (work.entries, work.tables) == (5, 0)
    other.commit(batch(6, 7))
    assert one.position(app_id()) == 7
    with pytest.raises(PositionConflict):
        one.commit(batch(6, 8))
    assert logged(Lake(str(root))) == expected(0, 7)


def test_another_process_may_shorten_and_clean_the_log_at_any_time(root: Path) -> None:
    one, other = opened(root), opened(root)
    take(one, 0, 1)
    other.position("file/never/0")
    for number in range(1, 4):
        take(one, number, number + 1)
    DeltaTable(one.log.uri).create_checkpoint()
    for entry in sorted(one.log.folder.glob("*.json"))[:-1]:
        entry.unlink()
    assert other.position(app_id()) == 4
    assert other.position("file/another/0") is None
    take(other, 4, 5)
    assert one.position(app_id()) == 5
    assert logged(Lake(str(root))) == expected(0, 5)


def test_a_log_that_was_replaced_is_not_taken_for_the_known_one(root: Path) -> None:
    """Also where the new one has gone further: its entries are not added to the old ones."""
    table = table_of(Lake(str(root)))
    for start in range(3):
        take(table, start, start + 1)
    assert table.position(app_id()) == 3  # It knows of it by the entry now.
    shutil.rmtree(root)
    again = table_of(Lake(str(root)))
    for number in range(0, 8, 2):
        again.commit(batch(number, number + 2, "other"))
    with pytest.raises(PositionForgotten):
        table.position(app_id())
    assert table.position(app_id("other")) == 8


def test_an_entry_that_changes_the_table_has_it_loaded_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = opened(root)
    for start in range(5):
        take(table, start, start + 1)
    DeltaTable(table.log.uri).alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 3 days"}
    )
    work = Work(monkeypatch)
    take(table, 5, 6)
    assert work.tables >= 1
    assert logged(Lake(str(root))) == expected(0, 6)


def test_a_table_with_a_newer_protocol_is_left_to_delta_rs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entries may need more than their lines."""
    table = opened(root)
    take(table, 0, 5)
    DeltaTable(table.log.uri).alter.set_table_properties({"delta.enableChangeDataFeed": "true"})
    assert DeltaTable(table.log.uri).protocol().min_writer_version > standing.PLAIN_WRITER
    monkeypatch.setattr("pipeline.io.delta.commit.append", pytest.fail)
    take(table, 5, 6)
    assert logged(Lake(str(root))) == expected(0, 6)


def test_what_was_compared_is_what_is_committed_upon(root: Path) -> None:
    """A standing that was handed out does not move on when another thread reads further."""
    table = opened(root)
    take(table, 0, 1)
    held = table.log.ready()
    take(table, 1, 2)
    assert held.version() + 1 == table.log.ready().version()
    assert held.transaction_version(app_id()) == 1


def test_a_checkpoint_is_due_more_rarely_the_more_files_there_are(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs time for every file; a start reads what came after it."""
    table = opened(root)
    monkeypatch.setattr("pipeline.io.lake.delta_log.CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("pipeline.io.delta.standing.FILES_OF_A_CHECKPOINT", 8)
    for number in range(30):
        take(table, 2 * number, 2 * number + 2)
    found = sorted(int(path.name[:20]) for path in table.log.folder.glob("*.checkpoint.parquet"))
    gaps = [after - before for before, after in itertools.pairwise(found)]
    assert gaps == sorted(gaps)
    assert gaps[0] < gaps[-1] <= 2 * (1 + 60 // 8)
    assert globbed(root) == expected(0, 60)
