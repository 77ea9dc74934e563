"""A local disk that is full, read-only, forbidden or failing: told, and nothing lost or doubled."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, OutcomeUnknown, TelemetryError
from pipeline.io.lake.lake import Lake
from tests.integration import power
from tests.integration.mounts import mounted
from tests.unit.io.lakes import DAYS, NOW, app_id, batch, expected, globbed, logged, table_of

CAN = power.missing()
needs_mount = pytest.mark.skipif(CAN is not None, reason=CAN or "")
pytestmark = pytest.mark.service


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    with mounted(str(power.new_image(tmp_path / "image", 16)), "-o", "loop") as where:
        yield where


def opened(disk: Path) -> Lake:
    return Lake(str(disk / "lake"), state=disk / "state")


def check(disk: Path, stop: int) -> None:
    """The lake holds exactly the messages up to `stop`, and goes on from there."""
    lake = opened(disk)
    lake.recover()
    assert table_of(lake).position(app_id()) == stop
    assert logged(lake) == globbed(disk / "lake") == expected(0, stop)
    assert lake.missing_files() == ()
    table_of(lake).commit(batch(stop, stop + 10))
    assert logged(lake) == expected(0, stop + 10)


@contextmanager
def full(disk: Path, left: int) -> Iterator[None]:
    """Fill a disk until so many bytes are left."""
    blocks = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, blocks.f_bavail * blocks.f_frsize - left)
    yield
    filler.unlink()


@needs_mount
@pytest.mark.parametrize("left", [0, 4_096, 8_192, 12_288, 16_384, 20_480, 40_960])
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(disk: Path, left: int) -> None:
    """Full at the first byte of a file, at the log's entry, or only for what comes later."""
    table = table_of(opened(disk))
    table.commit(batch(0, 10))
    done = 10
    with full(disk, left):
        try:
            while done < 200:
                table.commit(batch(done, done + 10))
                done += 10
        except TelemetryError as error:
            assert isinstance(error, EnvironmentProblem | OutcomeUnknown)
            assert error.remedy
            assert str(errno.ENOSPC) not in error.what
    check(disk, table.position(app_id()) or 0)
    assert table.position(app_id()) in (done, done + 10)


@needs_mount
@pytest.mark.parametrize("left", [4_096, 8_192, 16_384, 24_576])
def test_a_disk_that_is_full_at_a_checkpoint_leaves_a_log_that_loads(disk: Path, left: int) -> None:
    lake = opened(disk)
    table = table_of(lake)
    for start in range(0, 100, 10):
        table.commit(batch(start, start + 10))
    with full(disk, left):
        with suppress(TelemetryError):
            table.log.shorten()
        assert table.position(app_id()) == 100
        assert logged(lake) == expected(0, 100)
        assert logged(opened(disk)) == expected(0, 100)
    check(disk, 100)


@needs_mount
def test_a_disk_that_turns_read_only_is_told(disk: Path) -> None:
    table = table_of(opened(disk))
    table.commit(batch(0, 10))
    with mounted(str(disk / "lake"), "--bind") as view:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(view)], check=True)
        lake = Lake(str(view), state=disk / "state")
        with pytest.raises(EnvironmentProblem, match="read-only"):
            table_of(lake).commit(batch(10, 20))
        assert logged(lake) == expected(0, 10)
        lake.close()
    check(disk, 10)


@needs_mount
@pytest.mark.parametrize("where", ["_delta_log", f"event_date={DAYS[0]}"])
def test_a_folder_that_may_not_be_changed_is_told(disk: Path, where: str) -> None:
    table = table_of(opened(disk))
    table.commit(batch(0, 10))
    folder = Path(table.log.uri) / where
    subprocess.run(["chattr", "+i", str(folder)], check=True)
    try:
        with pytest.raises(TelemetryError) as caught:
            table.commit(batch(10, 20))
        assert "right to read and write" in caught.value.remedy or "log" in caught.value.remedy
    finally:
        subprocess.run(["chattr", "-i", str(folder)], check=True)
    check(disk, 10)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_sync_that_fails_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Each sync of a commit with rejections fails in turn: the commit is told to have failed."""
    real, left = os.fsync, [0]

    def failing(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", failing)
    done, told = 0, 0
    for nth in range(1, 26):
        lake = opened(tmp_path)
        lake.recover()
        table = table_of(lake)
        assert table.position(app_id()) in (None, done, done + 10)
        done = table.position(app_id()) or 0
        made = batch(done, done + 10, rejected=(done + 3,))
        left[0] = nth
        try:
            lake.rejections().prepare(made, NOW)
            table.commit(made)
        except (EnvironmentProblem, OutcomeUnknown):
            told += 1
        finally:
            left[0] = 0
            lake.close()
    # A rejection that is not recorded yet is recorded at the next start, so that may pass.
    assert told > 12
    position = table_of(opened(tmp_path)).position(app_id()) or 0
    refused = {f"abc-{start + 3}" for start in range(0, position, 10)}
    assert set(logged(opened(tmp_path))) == set(expected(0, position)) - refused
    opened(tmp_path).recover()
    assert opened(tmp_path).missing_files() == ()
