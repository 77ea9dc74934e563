"""What a second worker process brings on a second core: the same files, one worker and two.

Two runs that know nothing of each other, at the same time and each over half of the files, show
what the machine itself gives: its two cores may be two threads of one.
"""

import shlex
import sys
from pathlib import Path

from benchmarks.harness import Measurement, Report, as_json, measure, table, telemetry, workplace
from benchmarks.inputs import api_requests

FILES = 8
SHORT = 1_000
"""Events of the run that only shows what start-up takes."""


def run(events: int, times: int) -> Report:
    """Measure one and two workers on two cores, and the ratio of their speed in wall time."""
    with workplace() as place:
        long, short = _files(place, "long", events), _files(place, "short", SHORT)
        runs = [_best(place, long, workers, times) for workers in (1, 2)]
        starts = [_best(place, short, workers, times) for workers in (1, 2)]
        apart = min(
            (_apart(place / f"apart-{time}", long, events) for time in range(times)),
            key=lambda one: one.wall_seconds,
        )
    whole = runs[0].wall_seconds / runs[1].wall_seconds
    steady, alone = (
        (runs[0].wall_seconds - starts[0].wall_seconds) / (two.wall_seconds - start.wall_seconds)
        for two, start in ((runs[1], starts[1]), (apart, starts[0]))
    )
    text = (
        f"{FILES} files, {events:,} events, two cores, best of {times}.\n\n"
        f"{table([*runs, apart])}\n\n"
        f"Two workers are {whole:.2f} times as fast as one, start-up included, and {steady:.2f} "
        f"times without it (less a run over {SHORT:,} events). Two runs apart: {alone:.2f} times."
    )
    values: dict[str, object] = {
        "runs": as_json([*runs, *starts, apart]),
        "ratio": round(whole, 3),
        "steady_ratio": round(steady, 3),
        "apart_ratio": round(alone, 3),
    }
    return Report("Two workers", text, values)


def _files(place: Path, name: str, events: int) -> list[Path]:
    return [
        api_requests(place, events // FILES, f"{name}-{number}.ndjson", seed=number + 1)
        for number in range(FILES)
    ]


def _best(place: Path, files: list[Path], workers: int, times: int) -> Measurement:
    name = f"{workers} worker{'s'[: workers - 1]}"
    events = sum(_lines(file) for file in files)
    folders = [place / f"{name}-{events}-{time}" for time in range(times)]
    return min(
        (measure(name, _command(at, files, workers), events, cores=(0, 1)) for at in folders),
        key=lambda one: one.wall_seconds,
    )


def _apart(place: Path, files: list[Path], events: int) -> Measurement:
    """Two single workers at once, each with its own lake and half of the files."""
    halves = (files[: FILES // 2], files[FILES // 2 :])
    commands = [_command(place / str(at), half, 1) for at, half in enumerate(halves)]
    both = [sys.executable, "-c", _BOTH, *(shlex.join(one) for one in commands)]
    return measure("2 runs apart", both, events, cores=(0, 1))


_BOTH = """
import shlex, subprocess, sys
running = [subprocess.Popen(shlex.split(one), stdout=subprocess.DEVNULL) for one in sys.argv[1:]]
sys.exit(max(one.wait() for one in running))
"""


def _command(place: Path, files: list[Path], workers: int) -> list[str]:
    command = telemetry("run", "--once", "--backfill", "--event", "api_request")
    for file in files:
        command += ["--input", str(file)]
    command += ["--lake", str(place / "lake"), "--state", str(place / "state")]
    return [*command, "--workers", str(workers)]


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
