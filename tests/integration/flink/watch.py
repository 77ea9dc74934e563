"""What a Flink job costs while it runs, seen from outside: heaps, checkpoints, workers' memory.

Figures are compared by thirds of the time, so a run of any length can be judged: what grows with
time and not with work is a leak. Idle turns are counted by the workers' own metrics.
"""

from __future__ import annotations

import re
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from pipeline.flow.metrics_endpoint import SPAN
from pipeline.flow.runners.remote import RENEW_SECONDS
from tests.integration.services.flink import Cluster

EVERY_SECONDS = 2.0
MIB = 1 << 20
HEAP = "Status.JVM.Memory.Heap.Used"
TURNS = re.compile(r"^telemetry_turns_total\{.*\} ([0-9.e+]+)$", re.M)
CHECKPOINT = "checkpoint, KiB"
CHECKPOINT_MIB = 200
"""What two workers may keep until their job is submitted anew."""
IDLE_TURNS_PER_SECOND = 4.0
"""An idle turn waits 0.3 s, and a process takes one at a time."""


@dataclass
class Watch:
    """Samples by what they are of, each with its time."""

    cluster: Cluster
    metrics_port: int
    began: float = field(default_factory=time.monotonic)
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _seen: set[tuple[str, int]] = field(default_factory=set)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look every two seconds until the block ends."""
        stopping = threading.Event()

        def look() -> None:
            while not stopping.wait(EVERY_SECONDS):
                self.look()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def look(self) -> None:
        """Take one sample of everything that answers."""
        rest = self.cluster.rest
        self._heap("heap of the JobManager", "/jobmanager")
        for manager in rest("/taskmanagers").get("taskmanagers", []):
            self._heap("heap of a TaskManager", f"/taskmanagers/{manager['id']}")
        for job in self.cluster.jobs():
            latest = (rest(f"/jobs/{job}/checkpoints").get("latest") or {}).get("completed")
            if latest and (job, latest["id"]) not in self._seen:
                self._seen.add((job, latest["id"]))
                self._note(CHECKPOINT, latest["state_size"] / 1024)
                self._note("checkpoint, s", latest["end_to_end_duration"] / 1000)
        for pid in self.cluster.workers():
            try:
                resident = psutil.Process(pid).memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self._note("memory of a worker", resident / MIB)

    def _heap(self, name: str, path: str) -> None:
        found = self.cluster.rest(f"{path}/metrics?get={HEAP}")
        for metric in found or []:
            self._note(name, float(metric["value"]) / MIB)

    def _note(self, name: str, value: float) -> None:
        self.samples.setdefault(name, []).append((time.monotonic(), value))

    def thirds(self, name: str) -> list[list[float]]:
        """Return the samples of the beginning, the middle and the end."""
        taken = self.samples[name]
        first, last = taken[0][0], taken[-1][0]
        parts: list[list[float]] = [[], [], []]
        for at, value in taken:
            parts[min(2, int(3 * (at - first) / (last - first or 1)))].append(value)
        return parts

    def report(self) -> list[str]:
        """Say what was seen in each third: least, median, most."""
        return [
            f"{name}: " + ", ".join(_spread(part) for part in self.thirds(name))
            for name in sorted(self.samples)
        ]

    def judge(self) -> list[str]:
        """Return what grew more than it may.

        A heap is judged by the least that a collection leaves of it, and a worker by the most
        memory that it took: new ones start small. Checkpoints grow, see `RENEW_SECONDS`, and must
        stay small enough until then.
        """
        grown = []
        for name, size in (
            ("heap of the JobManager", min),
            ("heap of a TaskManager", min),
            ("memory of a worker", max),
        ):
            begin, middle, end = self.thirds(name)
            before, after = size([*begin, *middle] if size is max else middle or begin), size(end)
            if after > 1.3 * before + 32:
                grown.append(f"{name} grew from {before:.0f} to {after:.0f} MiB")
        taken = self.samples.get(CHECKPOINT)
        if not taken:
            return [*grown, "no checkpoint was seen"]
        most = max(value / (at - self.began) for at, value in taken) * RENEW_SECONDS / 1024
        if most > CHECKPOINT_MIB:
            grown.append(f"checkpoints would grow to {most:.0f} MiB")
        return grown

    def idle_turns(self, seconds: float) -> float:
        """Return how many turns a second each worker process takes while there is no work."""
        began, before = time.monotonic(), self._turns()
        time.sleep(seconds)
        passed, after = time.monotonic() - began, self._turns()
        gone = [(after[port] - turns) / passed for port, turns in before.items() if port in after]
        assert gone, "no worker serves its metrics"
        return max(gone)

    def _turns(self) -> dict[int, float]:
        found = {}
        for port in range(self.metrics_port, self.metrics_port + SPAN):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                    counts = TURNS.findall(page.read().decode())
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                continue
            found[port] = sum(map(float, counts))
        return found


def _spread(values: list[float]) -> str:
    if not values:
        return "nothing"
    return f"{min(values):.0f}/{statistics.median(values):.0f}/{max(values):.0f}"
