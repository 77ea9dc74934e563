"""Everything up to the newest entry is synced, whoever wrote it, before anything depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.io.delta import durable
from pipeline.io.delta.durable import Durable
from pipeline.io.delta.log_files import CHECKPOINT_HINT, entry_name
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.storage import LocalStorage
from tests.unit.io.lakes import DAYS, batch, table_of


@pytest.fixture
def synced() -> Iterator[list[str]]:
    """Names of files in the order in which they are synced, and of folders with a slash."""
    names: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "sync_file", lambda path: names.append(path.name))
        patch.setattr(durable, "sync_folder", lambda path: names.append(f"{path.name}/"))
        yield names


def folder_of(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "lake" / "events" / "e" / "_delta_log"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_a_log_that_is_met_for_the_first_time_is_synced_from_its_checkpoint_on(
    tmp_path: Path, synced: list[str]
) -> None:
    checkpoint = f"{2:020d}.checkpoint.parquet"
    names = [*map(entry_name, range(6)), checkpoint, CHECKPOINT_HINT]
    folder = folder_of(tmp_path, *names)
    Durable().make(folder, 4)
    assert [name for name in synced if not name.endswith("/")] == [
        checkpoint,
        CHECKPOINT_HINT,
        entry_name(3),
        entry_name(4),
    ]
    assert {"_delta_log/", "e/", "events/", "lake/"} <= set(synced)
    assert synced[-1] == "_delta_log/"


def test_entries_of_others_are_synced_and_none_twice(tmp_path: Path, synced: list[str]) -> None:
    known = Durable()
    folder = folder_of(tmp_path, *map(entry_name, range(9)))
    known.make(folder, 2)
    synced.clear()
    known.make(folder, 5)
    known.make(folder, 4)
    assert synced == [*map(entry_name, (3, 4, 5)), "_delta_log/"]
    assert known.known(folder) == 5


def test_an_entry_that_cannot_be_synced_is_not_known_as_durable(tmp_path: Path) -> None:
    known = Durable()
    folder = folder_of(tmp_path, entry_name(0), entry_name(1))

    def fail(_: Path) -> None:
        raise OSError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError):
        patch.setattr(durable, "sync_file", fail)
        known.make(folder, 1)
    assert known.known(folder) == -1


def test_old_files_go_after_the_entry_that_removed_them_is_durable(tmp_path: Path) -> None:
    """Another process made the rewrite, and died before it had synced the entry."""
    order: list[str] = []
    lake = Lake(str(tmp_path / "lake"))
    table = table_of(lake)
    table.commit(batch(0, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Durable, "make", lambda *_: None)
        other = table_of(Lake(str(tmp_path / "lake")))
        other.rewrite(other.snapshot().by_day()[DAYS[0]], metadata={"job": "test"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "sync_file", lambda path: order.append(path.name))
        patch.setattr(LocalStorage, "delete", lambda _, path: order.append("deleted"))
        table.vacuum()
    assert order == [entry_name(2), "deleted"]
