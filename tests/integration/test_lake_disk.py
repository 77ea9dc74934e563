"""A full disk, a lake that may not be written: told with what to do, and nothing half visible."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.lake.lake import Lake
from tests.integration.mounts import CannotMount, mounted
from tests.unit.io.lakes import NOW, app_id, batch, expected, files_of, globbed, logged, table_of

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="run as root: mounts a small disk and gives up root's rights"
)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 600 kB; skipped where the machine forbids mounting one."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(mounted("tmpfs", "-t", "tmpfs", "-o", "size=600k"))
        except CannotMount:
            pytest.skip("run with the right to mount (CAP_SYS_ADMIN)")
        yield disk


def fill(folder: Path, leave: int) -> Path:
    """Fill the disk up to some bytes."""
    filler = folder / "filler"
    free = shutil.disk_usage(folder).free
    filler.write_bytes(bytes(max(0, free - leave)))
    return filler


@pytest.mark.parametrize("leave", [0, 4096, 8192, 12288, 16384, 20480, 28672])
def test_a_disk_that_fills_up_at_any_step_leaves_the_lake_as_it_was(
    small_disk: Path, tmp_path: Path, leave: int
) -> None:
    """Room for no file, for one of two, for the files but not for the log, and so on."""
    root, state = small_disk / "lake", tmp_path / "state"
    lake = Lake(str(root), state=state)
    rejections, table = lake.rejections(), table_of(lake)
    first = batch(0, 200, rejected=(7,))
    rejections.prepare(first, NOW)
    table.commit(first)
    before, filler = files_of(root), fill(small_disk, leave)
    second = batch(200, 4000, rejected=(207,))
    try:
        rejections.prepare(second, NOW)
        table.commit(second)
        stop = 4000
    except EnvironmentProblem as problem:
        assert "no space left" in problem.why
        assert "Free some space" in problem.remedy
        assert problem.__cause__ is None
        stop = 200
    lake.close()
    if stop == 200:
        assert files_of(root) == before
    gone = {f"abc-{offset}" for offset in (7, 207)}
    assert globbed(root) == logged(lake) == sorted(set(expected(0, stop)) - gone)
    filler.unlink()
    again = Lake(str(root), state=state)
    again.recover()
    if stop == 200:
        again.rejections().prepare(second, NOW)
        table_of(again).commit(second)
    assert table_of(again).position(app_id()) == 4000
    assert globbed(root) == logged(again) == sorted(set(expected(0, 4000)) - gone)
    assert again.rejections().snapshot().rows == 2


def test_a_lake_on_a_full_disk_is_not_begun(small_disk: Path) -> None:
    filler = fill(small_disk, 0)
    with pytest.raises(EnvironmentProblem, match="no space left"):
        table_of(Lake(str(small_disk / "lake"))).commit(batch(0, 10))
    filler.unlink()
    lake = Lake(str(small_disk / "lake"))
    table_of(lake).commit(batch(0, 10))
    assert logged(lake) == expected(0, 10)


AS_NOBODY = """
import json, os, sys
from pipeline.errors import TelemetryError
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import app_id, batch, table_of
os.setgroups([]); os.setgid(65534); os.setuid(65534)
table = table_of(Lake(sys.argv[1]))
for call in (lambda: table.position(app_id()), lambda: table.commit(batch(10, 20))):
    try:
        print(json.dumps(["ok", str(call())]))
    except TelemetryError as error:
        print(json.dumps([type(error).__name__, error.why, error.remedy]))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another account can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="lake-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(lake: Path) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, "-B", "-c", AS_NOBODY, str(lake)],
        cwd=ROOT,
        env={**os.environ, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_lake_that_may_only_be_read_can_be_read_and_tells_so(open_folder: Path) -> None:
    root = open_folder / "lake"
    lake = Lake(str(root))
    table_of(lake).commit(batch(0, 10))
    # New folders are closed to all but owner and group; here an operator let others read.
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    position, commit = as_nobody(root)
    assert position == ["ok", "10"]
    assert commit[:2] == ["EnvironmentProblem", "permission denied"]
    assert "right to read and write" in commit[2]
    assert globbed(root) == expected(0, 10)


def test_a_log_that_may_not_be_read_is_not_taken_for_a_new_lake(open_folder: Path) -> None:
    root = open_folder / "lake"
    table_of(Lake(str(root))).commit(batch(0, 10))
    for log in root.rglob("_delta_log"):
        log.chmod(0o700)
    for answer in as_nobody(root):
        assert answer[:2] == ["EnvironmentProblem", "permission denied"]
    root.chmod(0o700)
    for answer in as_nobody(root):
        assert answer[:2] == ["EnvironmentProblem", "permission denied"]
    root.chmod(0o755)
    assert globbed(root) == expected(0, 10)
