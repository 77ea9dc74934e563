"""Locks tell living processes from dead ones, and never the wrong way round."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.io.disk import locks
from pipeline.io.disk.locks import (
    WriterLock,
    dead_writers,
    live_writers,
    locked,
    make_private_folder,
)

LAKE = "/lake"

HOLDER = """
import sys
from pathlib import Path
from pipeline.io.disk.locks import WriterLock
lock = WriterLock(Path(sys.argv[1]), "/lake")
print(lock.writer, flush=True)
sys.stdin.read()
"""


def test_a_living_writer_is_alive_and_a_killed_one_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        writer = process.stdout.readline().strip()
        assert live_writers(tmp_path, LAKE) == {writer}
        with dead_writers(tmp_path, LAKE) as dead:
            assert dead == set()
        process.kill()
    assert live_writers(tmp_path, LAKE) == set()
    with dead_writers(tmp_path, LAKE) as dead:
        assert dead == {writer}
    with dead_writers(tmp_path, LAKE) as dead:
        assert dead == set()


def test_dead_writers_are_remembered_until_their_files_are_gone(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, LAKE)
    lock.close(leftovers=True)
    with pytest.raises(OSError, match="disk"), dead_writers(tmp_path, LAKE) as dead:
        assert dead == {lock.writer}
        raise OSError("disk")
    with dead_writers(tmp_path, LAKE) as dead:
        assert dead == {lock.writer}


def test_a_writer_that_ended_well_leaves_nothing(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, LAKE)
    lock.close(leftovers=False)
    lock.close(leftovers=False)
    assert list(tmp_path.iterdir()) == []


def test_two_recoveries_do_not_share_a_dead_writer(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, LAKE)
    lock.close(leftovers=True)
    with dead_writers(tmp_path, LAKE) as first, dead_writers(tmp_path, LAKE) as second:
        assert first == {lock.writer}
        assert second == set()


def test_writers_of_another_lake_are_not_touched(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, "/another")
    assert live_writers(tmp_path, LAKE) == set()
    lock.close(leftovers=True)
    with dead_writers(tmp_path, LAKE) as dead:
        assert dead == set()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_forked_process_does_not_remove_its_parents_lock(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path, LAKE)
    lock.process = os.getpid() + 1
    lock.close(leftovers=False)
    lock.process = os.getpid()
    assert live_writers(tmp_path, LAKE) == {lock.writer}
    lock.close(leftovers=False)


def test_a_folder_that_does_not_exist_has_no_writers(tmp_path: Path) -> None:
    assert live_writers(tmp_path / "none", LAKE) == set()
    with dead_writers(tmp_path / "none", LAKE) as dead:
        assert dead == set()


def test_only_one_thread_holds_a_lock(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(20):
            with locked(tmp_path / "lock"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.0005)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), locked(tmp_path / "lock"):
        pass


def test_the_names_of_new_folders_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(locks, "sync_folder", synced.append)
    make_private_folder(tmp_path / "a" / "b" / "c")
    make_private_folder(tmp_path / "a" / "b" / "c")
    assert sorted(synced) == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
