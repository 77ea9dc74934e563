"""Private files: whole or not at all, for their owner alone, refused when others had access."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import KeyUnavailable
from pipeline.io.disk.private import (
    check_private_folder,
    erase_private,
    read_private,
    signature,
    write_private,
)

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_private(tmp_path / "key", KEY)
    return tmp_path / "key"


def test_what_is_written_is_read_back_and_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "key", KEY)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert read_private(tmp_path / "key")[0] == KEY
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_signature_changes_with_every_replacement(path: Path) -> None:
    first = signature(path)
    assert read_private(path)[1] == first
    write_private(path, KEY)
    assert signature(path) != first


def test_a_write_that_fails_leaves_the_old_content_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        write_private(path, b"other")
    assert read_private(path)[0] == KEY
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def opened_to_the_group(path: Path) -> None:
    path.chmod(0o640)


def a_link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def owned_by_another(path: Path) -> None:
    os.chown(path, os.geteuid() + 1, -1)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (opened_to_the_group, "other accounts can read"),
        (a_link, "a link or a folder"),
        (a_folder, "a link or a folder"),
        pytest.param(
            owned_by_another,
            "another account",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away"),
        ),
    ],
)
def test_a_file_that_others_could_touch_is_refused(
    path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(path)
    for read in (signature, read_private):
        with pytest.raises(KeyUnavailable, match=why) as caught:
            read(path)
        assert KEY.hex() not in str(caught.value)
        assert caught.value.remedy


def test_a_folder_is_private_when_it_is_real_and_closed(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    check_private_folder(folder)
    folder.chmod(0o750)
    with pytest.raises(KeyUnavailable, match="chmod 700"):
        check_private_folder(folder)
    folder.chmod(0o700)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(KeyUnavailable, match="not a folder"):
        check_private_folder(tmp_path / "link")


def test_an_erased_file_was_overwritten_first(path: Path) -> None:
    """Another name of the same file shows what became of its bytes."""
    os.link(path, path.with_name("second"))
    erase_private(path)
    assert not path.exists()
    assert path.with_name("second").read_bytes() == bytes(len(KEY))
    erase_private(path)


def test_erasing_does_not_follow_a_link(path: Path) -> None:
    a_link(path)
    with pytest.raises(OSError, match="symbolic"):
        erase_private(path)
    assert path.with_name("real").read_bytes() == KEY
