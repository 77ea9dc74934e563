"""Real runs on a machine short of memory, whose clock is set, and which asks them all to stop.

The lake's rows are what was written, each once.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.integration.services import memory_group, wall_clock
from tests.integration.test_run_sources import Bench, append, events
from tests.waiting import wait_for

ROUNDS, TERMS = 4, 40
HOUR = 3600


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A run and its workers, as far as they are there."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@pytest.mark.service
@pytest.mark.skipif(memory_group.missing() is not None, reason=memory_group.missing() or "")
def test_workers_that_the_kernel_kills_for_memory_cost_nothing(bench: Bench) -> None:
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    with (
        memory_group.memory_group(4 << 20) as group,
        bench.tailing("--workers", "2") as process,
    ):
        wait_for(lambda: bench.rows == 100)
        for worker in tree(process)[1:]:
            group.put(worker.pid)
        append(live, events(100, 40_100))
        wait_for(lambda: group.kills > 0)
        wait_for(lambda: bench.rows == 40_100)
        assert process.poll() is None
    assert bench.tokens() == 40_100
    told = json.loads((bench.folder / "run.log").read_text().strip().splitlines()[-1])
    assert told["restarts"] >= 1
    assert told["written"] == 40_100


@pytest.mark.service
@pytest.mark.skipif(wall_clock.missing() is not None, reason=wall_clock.missing() or "")
def test_a_clock_that_jumps_forward_and_back_costs_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = wall_clock.WallClock(bench.folder)
    for name, value in clock.environment.items():
        monkeypatch.setenv(name, value)
    live = bench.input / "app.log"
    live.write_bytes(events(0, 100))
    with bench.tailing("--workers", "2") as process:
        wait_for(lambda: bench.rows == 100)
        for number, ahead in enumerate((2 * HOUR, 0, 5 * HOUR, -60), 1):
            clock.set(ahead)
            append(live, events(100 * number, 100 * (number + 1)))
            wait_for(lambda rows=100 * (number + 1): bench.rows == rows)  # type: ignore[misc]
        # Further behind, most events are ahead of the clock: nothing is decided about them.
        clock.set(-3 * HOUR)
        append(live, events(500, 600))
        wait_for(lambda: process.poll() is not None)
    assert process.returncode == 3
    told = (bench.folder / "run.log").read_text().strip().splitlines()[-1]
    assert json.loads(told)["error"]["code"] == "clock-behind"
    assert bench.rows == 500
    clock.set(0)
    bench.once()
    assert bench.rows == bench.tokens() == 600


def test_a_storm_of_requests_to_stop_costs_nothing(bench: Bench) -> None:
    live, chance, sent = bench.input / "app.log", random.Random(7), 0
    for number in range(ROUNDS):
        append(live, events(sent, sent + 5_000)) if sent else live.write_bytes(events(0, 5_000))
        sent += 5_000
        with bench.tailing("--workers", "2") as process:
            if number % 2:  # in the middle of its work: it listens
                wait_for(lambda rows=sent: bench.rows == rows)  # type: ignore[misc]
            else:  # anywhere in its first seconds
                time.sleep(chance.uniform(0.5, 4.0))
            for _ in range(TERMS):
                for one in tree(process):
                    with suppress(psutil.NoSuchProcess):
                        one.send_signal(signal.SIGTERM)
            process.wait(120)
        # A clean end, or the system's own answer where the run does not listen: before it has
        # begun, and after it has ended.
        assert process.returncode in (0, -signal.SIGTERM)
    bench.once()
    assert bench.rows == bench.tokens() == sent
