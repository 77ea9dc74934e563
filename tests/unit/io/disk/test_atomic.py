"""A file is there whole or not at all, and the old one stays until then."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.atomic import write_file

CANARY = b"alice@example.com"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_blocks_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out" / "page.html"
    assert write_file(path, [b"one", b"", b"two"]) == 6
    assert write_file(path, iter([b"three"])) == 5
    assert path.read_bytes() == b"three"
    assert names(path.parent) == ["page.html"]


def test_nobody_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    seen: list[bytes] = []

    def blocks() -> Iterator[bytes]:
        for _ in range(3):
            seen.append(path.read_bytes())
            yield b"new " * 10_000

    write_file(path, blocks())
    assert seen == [b"old"] * 3
    assert len(path.read_bytes()) == 120_000


@pytest.mark.parametrize("failure", [RuntimeError("stopped"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, failure: BaseException
) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")

    def blocks() -> Iterator[bytes]:
        yield CANARY
        raise failure

    with pytest.raises(type(failure)):
        write_file(path, blocks())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["page.html"]


@pytest.mark.usefixtures("heeds_permissions")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(EnvironmentProblem, match="permission denied") as caught:
        write_file(tmp_path / "closed" / "page.html", [CANARY])
    assert caught.value.where == str(tmp_path / "closed" / "page.html")
    assert caught.value.__cause__ is None


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(EnvironmentProblem, match="the file cannot be written") as caught:
        write_file(tmp_path / "file" / "page.html", [CANARY])
    assert caught.value.remedy


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert write_file(pipe, [b"a", b"b"]) == 2
    reader.join()
    assert got == [b"ab"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_full_device_is_our_error_and_stays_a_device() -> None:
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("there is no /dev/full")
    with pytest.raises(EnvironmentProblem, match="no space left"):
        write_file(full, [b"x" * 100_000])
    assert full.is_char_device()
