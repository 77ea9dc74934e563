"""A log's files by name and content, on a disk and through the client of object stores alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.delta.log_files import (
    LOG_FOLDER,
    TORN_FOLDER,
    LocalLogFiles,
    LogFiles,
    ObjectLogFiles,
    checkpoints_in,
    entries_in,
    entry_name,
    log_files,
)

NAMES = [
    entry_name(11),
    entry_name(2),
    "00000000000000000002.checkpoint.parquet",
    "00000000000000000010.checkpoint.0000000002.0000000002.parquet",
    "00000000000000000010.checkpoint.0000000001.0000000002.parquet",
    "_last_checkpoint",
    "00000000000000000003.json.bak",
    ".00000000000000000003.json",
    "3.json",
]


@pytest.fixture(params=["disk", "object store"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> LogFiles:
    uri = str(tmp_path) if request.param == "disk" else f"file://{tmp_path}"
    return log_files(uri, {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / LOG_FOLDER
    found.mkdir()
    return found


def test_entries_are_those_of_twenty_digits_in_order() -> None:
    assert entries_in(NAMES) == [2, 11]
    assert entries_in([]) == []


def test_the_parts_of_a_checkpoint_belong_together() -> None:
    assert checkpoints_in(NAMES) == {2: [NAMES[2]], 10: [NAMES[4], NAMES[3]]}
    assert list(checkpoints_in(NAMES)) == [2, 10]


def test_files_are_named_and_read_and_folders_are_not(files: LogFiles, folder: Path) -> None:
    (folder / entry_name(0)).write_bytes(b"entry")
    (folder / TORN_FOLDER).mkdir()
    (folder / TORN_FOLDER / "old").write_bytes(b"x")
    assert files.names() == [entry_name(0)]
    assert files.read(entry_name(0)) == b"entry"


def test_what_is_not_there_is_told_without_an_error(files: LogFiles) -> None:
    assert files.names() == []
    assert files.read(entry_name(0)) is None


def test_a_file_is_set_aside_whole_and_once(files: LogFiles, folder: Path) -> None:
    (folder / entry_name(4)).write_bytes(b"torn")
    for _ in range(2):
        files.set_aside(entry_name(4))
    assert files.names() == []
    assert (folder / TORN_FOLDER / entry_name(4)).read_bytes() == b"torn"


def test_an_address_with_a_scheme_is_an_object_store(tmp_path: Path) -> None:
    assert isinstance(log_files(str(tmp_path), {}), LocalLogFiles)
    assert isinstance(log_files(f"file://{tmp_path}", {}), ObjectLogFiles)
