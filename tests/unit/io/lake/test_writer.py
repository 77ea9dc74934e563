"""A writer has a name of its own, and others see that it lives for exactly as long as it does."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.locks import dead_writers
from pipeline.io.lake.staging import MachineClock
from pipeline.io.lake.writer import Writer

LAKE = "/lake"


def writer(folder: Path | None) -> Writer:
    return Writer(LAKE, folder, MachineClock())


def test_reading_leaves_no_trace_and_the_first_write_shows_itself(tmp_path: Path) -> None:
    first, second = writer(tmp_path), writer(tmp_path)
    assert first.others_alive() == frozenset()
    assert list(tmp_path.iterdir()) == []
    name = first.name
    assert second.others_alive() == {name}
    assert first.name == name != second.name


def test_a_writer_that_closed_is_gone_without_a_trace(tmp_path: Path) -> None:
    one = writer(tmp_path)
    assert one.name
    one.close()
    one.close()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_left_files_is_remembered(tmp_path: Path) -> None:
    one = writer(tmp_path)
    name, one.leftovers = one.name, True
    one.close()
    assert one.others_alive() == frozenset()
    with dead_writers(tmp_path, LAKE) as dead:
        assert dead == {name}


def test_without_a_folder_a_writer_has_a_name_and_knows_nobody() -> None:
    one = writer(None)
    assert len(one.name) == 12
    assert one.name != writer(None).name
    assert one.others_alive() == frozenset()
    one.close()


def _name_of(one: Writer, pipe: Connection) -> None:
    pipe.send(one.name)


@pytest.mark.parametrize("locked", [True, False])
def test_a_forked_process_writes_under_a_name_of_its_own(tmp_path: Path, locked: bool) -> None:
    one = writer(tmp_path if locked else None)
    name = one.name
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_name_of, args=(one, theirs))
    child.start()
    found = ours.recv()
    child.join()
    assert found != name == one.name


def test_a_lock_that_cannot_be_taken_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="lock could not be taken"):
        assert writer(tmp_path / "file" / "writers").name
