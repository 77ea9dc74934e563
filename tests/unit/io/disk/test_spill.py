"""Spilled rows are private, and gone with their job or at the start of the next."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.io.disk.spill import spill_folder

JOB = """
import sys
from pathlib import Path
from pipeline.io.disk.spill import spill_folder
with spill_folder(Path(sys.argv[1])) as folder:
    (folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_text("rows")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path: Path) -> subprocess.Popen[str]:
    """A job in another process, with rows in its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, str(tmp_path / "spill")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_the_folder_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with spill_folder(tmp_path / "spill") as folder:
            assert folder is not None
            modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)]
    finally:
        os.umask(before)
    assert modes == [0o700, 0o700]


def test_the_folder_is_gone_with_its_job(tmp_path: Path) -> None:
    with spill_folder(tmp_path / "spill") as folder:
        assert folder is not None
        (folder / "rows").write_text("rows")
    assert list((tmp_path / "spill").iterdir()) == []


def test_what_a_killed_job_left_is_removed_by_the_next(
    tmp_path: Path, job: subprocess.Popen[str]
) -> None:
    end(job)
    assert len(list((tmp_path / "spill").glob("*/*"))) == 1
    with spill_folder(tmp_path / "spill") as folder:
        assert list((tmp_path / "spill").glob("*/*")) == []
        assert folder is not None


def test_a_running_job_keeps_its_folder(tmp_path: Path, job: subprocess.Popen[str]) -> None:
    try:
        with spill_folder(tmp_path / "spill"):
            assert len(list((tmp_path / "spill").glob("*/*"))) == 1
    finally:
        end(job)


def test_files_that_the_first_version_left_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "spill"
    root.mkdir()
    (root / "duckdb_temp_storage_S64K-0.tmp").write_text("rows")
    with spill_folder(root) as folder:
        assert folder is not None
        assert {path.name for path in root.iterdir()} == {folder.name, f"{folder.name}.lock"}


def test_without_a_root_there_is_no_folder() -> None:
    with spill_folder(None) as folder:
        assert folder is None
