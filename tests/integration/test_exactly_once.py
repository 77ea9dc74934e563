"""Every event is in the lake once, whatever is killed, doubled, rotated or read again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipeline.flow.runners.embedded import run_here
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.runners.signals import Stop
from pipeline.flow.runners.supervisor import supervise
from pipeline.flow.summary import Tally
from tests.integration.crashing import MOMENTS, CrashingLake, UncheckedLake
from tests.integration.nursery import Nursery, nursery
from tests.integration.runs import (
    commits_of,
    expected,
    globbed,
    good,
    make_ports,
    messages,
    stored,
)
from tests.waiting import wait_for

KILLS = 24
LIVES = 0.8
"""The longest time between a process's first commit and its end: a dozen commits."""


@pytest.fixture(scope="module")
def births(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as started:
        yield started


def fill(folder: Path, *counts: int) -> list[range]:
    """Write files of messages; return the numbers in each."""
    (folder / "in").mkdir()
    ranges, first = [], 0
    for index, count in enumerate(counts):
        numbers = range(first, first + count)
        (folder / "in" / f"{index}.ndjson").write_bytes(messages(first, first + count))
        ranges.append(numbers)
        first += count
    return ranges


def finish(folder: Path) -> None:
    """Read what is left, in this process."""
    run_here(make_ports(folder, slice_bytes=64 << 20), Stop())


@pytest.mark.slow
def test_kill_at_random_moments(tmp_path: Path, births: Nursery) -> None:
    ranges = fill(tmp_path, 30_000, 30_000, 30_000)
    dice = random.Random(20261124)
    for turn in range(KILLS):
        commits = commits_of(tmp_path)
        pid = births.start(make_ports(tmp_path, slice_bytes=60_000))
        if turn % 4:  # else it may die while it is opening things
            wait_for(lambda: commits_of(tmp_path) > commits)  # noqa: B023
        time.sleep(dice.uniform(0, LIVES))
        os.kill(pid, signal.SIGKILL)
        assert births.wait(pid) == -signal.SIGKILL, "there was too little to do"
    finish(tmp_path)
    assert stored(tmp_path) == expected(*ranges)
    assert globbed(tmp_path) == expected(*ranges).rows


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_between_the_steps_of_a_commit(tmp_path: Path, births: Nursery, moment: str) -> None:
    ranges = fill(tmp_path, 4_000)
    lake = partial(CrashingLake, str(tmp_path / "lake"), moment, state=tmp_path / "state")
    pid = births.start(make_ports(tmp_path, lake=lake))
    assert births.wait(pid) == -signal.SIGKILL
    finish(tmp_path)
    assert stored(tmp_path) == expected(*ranges)
    assert globbed(tmp_path) == expected(*ranges).rows


def two_at_once(folder: Path, births: Nursery, opener: type) -> list[int]:
    """Two pipelines that do not know of each other (own claims) read one input; exit codes."""
    first = make_ports(folder, slice_bytes=60_000)
    second = replace(
        first,
        run_id="another",
        sources=make_ports(folder, claims=folder / "other claims").sources,
    )
    lake = partial(opener, str(folder / "lake"), state=folder / "state")
    pids = [births.start(replace(ports, lake=lake)) for ports in (first, second)]
    return [births.wait(pid) for pid in pids]


def test_the_account_holds_what_a_worker_committed_and_could_not_report(tmp_path: Path) -> None:
    """Workers die right after a commit, before they can tell of it; the log knows better."""
    ranges = fill(tmp_path, 3_000, 3_000)
    ports = make_ports(tmp_path, slice_bytes=200_000)
    lake = partial(
        CrashingLake,
        str(tmp_path / "lake"),
        MOMENTS[-1],
        state=tmp_path / "state",
        once=tmp_path / "died",
    )
    ports = replace(ports, lake=lake)
    told: list[Tally] = []
    summary = supervise(ports, RunOptions(workers=2, on_commit=told.append), Stop())
    assert (tmp_path / "died").exists()
    assert summary.tally.read == sum(map(len, ranges))
    assert sum(tally.read for tally in told) < summary.tally.read
    assert stored(tmp_path) == expected(*ranges)


def test_two_pipelines_on_the_same_input(tmp_path: Path, births: Nursery) -> None:
    from pipeline.io.lake.lake import Lake

    ranges = fill(tmp_path, 10_000)
    assert two_at_once(tmp_path, births, Lake) == [0, 0]
    assert stored(tmp_path) == expected(*ranges)
    assert globbed(tmp_path) == expected(*ranges).rows


def test_without_the_comparison_two_pipelines_double_events(
    tmp_path: Path, births: Nursery
) -> None:
    """The comparison is what makes the test above pass, not luck."""
    ranges = fill(tmp_path, 10_000)
    two_at_once(tmp_path, births, UncheckedLake)
    assert stored(tmp_path).rows > expected(*ranges).rows


def test_a_file_that_grows_is_rotated_and_is_read_again(tmp_path: Path, births: Nursery) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "app.ndjson"
    path.write_bytes(messages(0, 1_000))
    ports = make_ports(tmp_path, to_end=False, slice_bytes=100_000)
    pid = births.start(ports)
    number = 1_000
    for turn in range(20):
        with path.open("ab") as file:
            text = messages(number, number + 500)
            file.write(text[: len(text) // 3])  # half a line, sometimes for long enough to be seen
            file.flush()
            time.sleep(0.05)
            file.write(text[len(text) // 3 :])
        number += 500
        if turn % 6 == 5:
            path.rename(path.with_name(f"app.ndjson.{turn}"))
        if turn % 5 == 4:
            os.kill(pid, signal.SIGKILL if turn % 2 else signal.SIGTERM)
            births.wait(pid)
            pid = births.start(ports)
    commits = commits_of(tmp_path)
    with path.open("ab") as file:
        file.write(messages(number, number + 500))
    number += 500
    wait_for(lambda: commits_of(tmp_path) > commits)
    os.kill(pid, signal.SIGTERM)
    assert births.wait(pid) == 0
    finish(tmp_path)
    finish(tmp_path)
    assert stored(tmp_path) == expected(range(number))
    assert globbed(tmp_path) == good(range(number))
