"""Run a contender as a separate process and measure it: CPU seconds, wall time, peak memory.

A contender is a command. It is pinned to given cores, gets a quiet environment, and is charged
for everything that it and its children do (`RUSAGE_CHILDREN`, so also for a supervisor's workers).
Machines are shared and noisy: compare only figures of one run, and prefer ratios to figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Measurement:
    """What one run of a contender took."""

    name: str
    events: int
    cpu_seconds: float
    wall_seconds: float
    peak_mib: float
    """The largest resident size of any one process of the contender."""
    input_bytes: float | None = None
    """Bytes of an event as it was read, where that was measured."""
    stored_bytes: float | None = None
    """Bytes of a kept event as it was stored, where that was measured."""

    @property
    def per_cpu_second(self) -> float:
        """Events per CPU-second, start-up included."""
        return self.events / self.cpu_seconds

    @property
    def per_second(self) -> float:
        """Events per second of wall time, start-up included."""
        return self.events / self.wall_seconds


class ContenderFailed(Exception):
    """A contender did not end with exit code 0; its last words are in the message."""


def measure(
    name: str, command: Sequence[str], events: int, cores: Sequence[int] = (0,)
) -> Measurement:
    """Run `command` on `cores` and measure it; raises `ContenderFailed`."""
    # A small process of our own starts the command: `getrusage` then covers it alone.
    probe = [sys.executable, "-m", "benchmarks.probe", ",".join(map(str, cores)), *command]
    started = time.perf_counter()
    done = subprocess.run(probe, capture_output=True, text=True, check=False, env=_environment())
    wall = time.perf_counter() - started
    if done.returncode != 0:
        raise ContenderFailed(f"{name}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    usage = json.loads(done.stderr.rstrip().rsplit("\n", 1)[-1])
    return Measurement(name, events, usage["cpu"], wall, usage["peak_kib"] / 1024)


def best_of(
    times: int, name: str, command: Sequence[str], events: int, cores: Sequence[int] = (0,)
) -> Measurement:
    """The run with the least CPU time of several: noise of a shared machine only ever adds."""
    return min(
        (measure(name, command, events, cores) for _ in range(times)),
        key=lambda run: run.cpu_seconds,
    )


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "TELEMETRY_"))}
    # Without compiled byte code every start would compile again and be charged for it.
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for inputs and outputs, removed afterwards; below `$TELEMETRY_CACHE` if set."""
    parent = os.environ.get("TELEMETRY_CACHE")
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as folder:
        yield Path(folder)


def telemetry(*words: str) -> list[str]:
    """The command line of our own program, from the environment that runs the benchmark."""
    return [str(Path(sys.executable).parent / "telemetry"), *words]


def prepare(*words: str, typed: str | None = None) -> str:
    """Run one of our commands that prepares a measurement; answer what it printed."""
    done = subprocess.run(
        telemetry(*words),
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    if done.returncode != 0:
        raise ContenderFailed(f"telemetry {words[0]}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Report:
    """What one benchmark found: text for people, values for machines."""

    title: str
    text: str
    values: dict[str, object]


def table(rows: Sequence[Measurement], against: str | None = None) -> str:
    """The measurements as a Markdown table; `against` names the row that ratios refer to."""
    reference = next((row for row in rows if row.name == against), None)
    lines = [
        "| | events | events per CPU-second | CPU s | wall s | peak MiB | ratio |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ratio = f"{row.per_cpu_second / reference.per_cpu_second:.2f}" if reference else ""
        lines.append(
            f"| {row.name} | {row.events:,} | {row.per_cpu_second:,.0f} | {row.cpu_seconds:.2f} "
            f"| {row.wall_seconds:.2f} | {row.peak_mib:.0f} | {ratio} |"
        )
    return "\n".join(lines)


def as_json(rows: Sequence[Measurement]) -> list[dict[str, object]]:
    """The measurements as plain values, rates included."""
    return [{**asdict(row), "per_cpu_second": round(row.per_cpu_second)} for row in rows]
