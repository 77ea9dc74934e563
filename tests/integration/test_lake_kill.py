"""kill -9 at every moment of a commit: each message is stored once, or rejected once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import app_id, files_of, globbed, logged, table_of
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
KILLED = -signal.SIGKILL


def worker(
    folder: Path, total: int, where: str = "", topic: str = "abc", together: int = 1
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.lake_worker"]
    command += [str(folder / "lake"), str(folder / "state"), topic, str(total)]
    return subprocess.Popen(
        command + ([where] if where else []),
        cwd=ROOT,
        env={**os.environ, "LAKE_TOGETHER": str(together)},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return output.strip()


def rejected(lake: Lake) -> list[str]:
    table = lake.rejections()
    found: list[str] = []
    for file in table.snapshot().files:
        rows = table.storage.read(file.path, ["topic", "offset"])
        found += [f"{row['topic']}-{row['offset']}" for row in rows.to_pylist()]
    return sorted(found)


def check_everything_is_there_once(folder: Path, total: int, *topics: str) -> None:
    """Events and rejections together are exactly the messages; disk and log agree."""
    lake = Lake(str(folder / "lake"), state=folder / "state")
    stored, refused = logged(lake), rejected(lake)
    messages = sorted(f"{topic}-{n}" for topic in topics for n in range(total))
    assert sorted(stored + refused) == messages
    assert globbed(folder / "lake") == stored
    named = len(table_of(lake).snapshot().files) + len(lake.rejections().snapshot().files)
    assert len(files_of(folder / "lake")) == named


MOMENTS = [
    f"{step}:{number}"
    for step in ("staged", "revealed", "committed")
    # The first times are those of new tables; events and rejections take turns.
    for number in (1, 2, 3)
]


def test_a_kill_at_any_moment_of_a_commit_loses_and_doubles_nothing(tmp_path: Path) -> None:
    total, killed = 0, 0
    for moment in MOMENTS:
        total += 60
        process = worker(tmp_path, total, moment)
        process.communicate(timeout=60)
        killed += process.returncode == KILLED
        # What the next process finds, before it has written anything.
        lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state")
        lake.recover()
        done = table_of(lake).position(app_id()) or 0
        check_everything_is_there_once(tmp_path, done, "abc")
    finish(worker(tmp_path, total))
    assert killed == len(MOMENTS)
    check_everything_is_there_once(tmp_path, total, "abc")


@pytest.mark.slow
def test_kills_at_random_times_with_two_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    total, kills = 600, 0
    rng = random.Random(7)
    running: list[subprocess.Popen[str]] = []
    while kills < 24:
        for process in [process for process in running if process.poll() is not None]:
            process.communicate()
            running.remove(process)
        while len(running) < 2:
            running.append(worker(tmp_path, total))
        time.sleep(rng.uniform(0.4, 1.6))
        victim = rng.choice(running)
        running.remove(victim)
        victim.kill()
        victim.communicate()
        kills += victim.returncode == KILLED
        total += 60
    for process in running:
        process.communicate(timeout=300)
    finish(worker(tmp_path, total))
    check_everything_is_there_once(tmp_path, total, "abc")


def test_a_process_that_was_stopped_and_wakes_up_changes_nothing(tmp_path: Path) -> None:
    """A zombie between its files and its commit, while another one has taken over.

    Each stops at its fifth slice, so whoever begins later must find enough that is left to do.
    """
    total = 600
    zombies = [worker(tmp_path, total, f"stop-{step}:5") for step in ("staged", "revealed")]
    wait_for(lambda: all(state_of(process.pid) == "T" for process in zombies), "stopping")
    finish(worker(tmp_path, total))
    for process in zombies:
        process.send_signal(signal.SIGCONT)
    refused = [int(finish(process)) for process in zombies]
    assert all(count >= 1 for count in refused)
    check_everything_is_there_once(tmp_path, total, "abc")


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
