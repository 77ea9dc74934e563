"""Exactly once under kill -9, frozen processes, broker restarts and two pipelines at once.

`make check` runs it for half a minute, `make kill-test` for ten. The same without the lake's
comparison of positions must fail, or the test would prove nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.integration.kafka.chaos import OUT, Traffic, check_account, stored_tokens, tokens_of
from tests.integration.kafka.telemetry import Installation, stop
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for

Names = Callable[[], str]
SECONDS = float(os.environ.get("TELEMETRY_KILL_SECONDS", "30"))


class Pipelines:
    """Some supervisors with their workers, and what is done to them."""

    def __init__(self, installation: Installation, count: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.turn = 0
        self.installation = installation
        self.supervisors = [self._start() for _ in range(count)]
        self.frozen: list[tuple[float, psutil.Process]] = []
        self.done = {"worker killed": 0, "supervisor killed": 0, "frozen": 0}

    def _start(self) -> subprocess.Popen[bytes]:
        return self.installation.start("run", "--workers", "2")

    def workers(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for supervisor in self.supervisors:
            try:
                found += psutil.Process(supervisor.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                continue
        frozen = {process.pid for _, process in self.frozen}
        return [process for process in found if process.pid not in frozen]

    def harm(self) -> None:
        """Do one bad thing: each kind in turn, to a victim by chance."""
        kind = ("worker killed", "frozen", "worker killed", "supervisor killed")[self.turn % 4]
        self.turn += 1
        if kind == "supervisor killed":
            index = self.chance.randrange(len(self.supervisors))
            self.supervisors[index].kill()
            self.supervisors[index].wait()
            self.supervisors[index] = self._start()
        else:
            workers = self.workers()
            if not workers:
                return
            process = self.chance.choice(workers)
            if kind == "frozen":
                self._signal(process, signal.SIGSTOP)
                self.frozen.append((time.monotonic() + self.chance.uniform(3, 25), process))
            else:
                self._signal(process, signal.SIGKILL)
        self.done[kind] += 1

    def tend(self) -> None:
        """Wake up whoever slept long enough; start again who gave up."""
        now = time.monotonic()
        for due, process in list(self.frozen):
            if now >= due:
                self._signal(process, signal.SIGCONT)
                self.frozen.remove((due, process))
        for index, supervisor in enumerate(self.supervisors):
            if supervisor.poll() is not None:
                self.supervisors[index] = self._start()

    def end(self) -> None:
        for _, process in self.frozen:
            self._signal(process, signal.SIGCONT)
        for supervisor in self.supervisors:
            if supervisor.poll() is None:
                try:
                    stop(supervisor)
                except subprocess.TimeoutExpired:
                    supervisor.kill()

    @staticmethod
    def _signal(process: psutil.Process, number: signal.Signals) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def configure(installation: Installation, broker: Broker, topic: str) -> None:
    installation.configure(
        f"""
[flush]
interval = "1s"
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{topic}"
"""
    )


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_whatever_dies(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        topic = broker.create_topic("telemetry.api_request", 8)
        installation = Installation(tmp_path)
        configure(installation, broker, topic)
        installation.run("optout", "add", OUT)
        traffic = Traffic(broker, topic, 8, 1500)
        traffic.start()
        pipelines = Pipelines(installation, 2, seed=int(SECONDS))
        began = time.monotonic()
        broker_restarts = 0
        try:
            while (
                (passed := time.monotonic() - began) < SECONDS
                or not all(pipelines.done.values())
                or broker_restarts < 2
            ):
                time.sleep(pipelines.chance.uniform(1.5, 5))
                pipelines.harm()
                pipelines.tend()
                if passed > (broker_restarts + 1) * SECONDS / 4:
                    broker.kill() if broker_restarts % 2 else broker.stop()
                    time.sleep(1)
                    broker.start()
                    broker_restarts += 1
        finally:
            pipelines.end()
            traffic.finish()
        installation.run("run", "--once")
        kinds = check_account(installation, traffic)
        print(
            f"{time.monotonic() - began:.0f} s, {kinds}, {pipelines.done}, "
            f"broker restarted {broker_restarts} times"
        )
        assert all(pipelines.done.values())
        assert broker_restarts >= 2


def test_without_the_comparison_rows_are_doubled(broker: Broker, tmp_path: Path) -> None:
    """Two pipelines, one of them frozen for a while: the comparison is what keeps rows single."""
    topic = broker.create_topic(f"telemetry.unchecked_{time.monotonic_ns()}", 2)
    installation = Installation(tmp_path)
    configure(installation, broker, topic)
    installation.run("optout", "add", OUT)
    traffic = Traffic(broker, topic, 2, 1000)
    traffic.start()
    program = [sys.executable, "-m", "tests.integration.kafka.unchecked", str(tmp_path)]
    running = [subprocess.Popen(program) for _ in range(2)]

    def has_doubled() -> bool:
        stored = stored_tokens(table) if (table := installation.table()) is not None else []
        return len(stored) > len(set(stored))

    try:
        wait_for(lambda: installation.table() is not None, "a commit")
        running[0].send_signal(signal.SIGSTOP)
        time.sleep(4)
        running[0].send_signal(signal.SIGCONT)
        wait_for(has_doubled, "a doubled row: does the comparison matter, is it tested at all?")
    finally:
        traffic.finish()
        for process in running:
            process.kill()
            process.wait()
    table = installation.table()
    assert table is not None
    stored = stored_tokens(table)
    good = [name for sent in traffic.sent.values() for _, name in sent.values() if name]
    assert set(stored) <= set(tokens_of(installation, good))
    with pytest.raises(AssertionError):
        check_account(installation, traffic)
