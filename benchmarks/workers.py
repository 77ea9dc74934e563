"""What a second worker process brings on a second core: the same files, one worker and two."""

from pathlib import Path

from benchmarks.harness import Measurement, Report, as_json, measure, table, telemetry, workplace
from benchmarks.inputs import api_requests

FILES = 8


def run(events: int, times: int) -> Report:
    """Measure one and two workers on two cores, and the ratio of their speed in wall time."""
    with workplace() as place:
        files = [
            api_requests(place, events // FILES, f"requests-{number}.ndjson", seed=number + 1)
            for number in range(FILES)
        ]
        runs = [
            min(
                (_measure(place / f"{workers}-{time}", files, workers) for time in range(times)),
                key=lambda one: one.wall_seconds,
            )
            for workers in (1, 2)
        ]
    ratio = runs[1].per_second / runs[0].per_second
    text = (
        f"{FILES} files, {events:,} events, two cores, best of {times}.\n\n{table(runs)}\n\n"
        f"Two workers are {ratio:.2f} times as fast as one, start-up included."
    )
    return Report("Two workers", text, {"runs": as_json(runs), "ratio": round(ratio, 3)})


def _measure(place: Path, files: list[Path], workers: int) -> Measurement:
    command = telemetry("run", "--once", "--backfill", "--event", "api_request")
    for file in files:
        command += ["--input", str(file)]
    command += ["--lake", str(place / "lake"), "--state", str(place / "state")]
    command += ["--workers", str(workers)]
    events = sum(_lines(file) for file in files)
    return measure(f"{workers} worker{'s'[: workers - 1]}", command, events, cores=(0, 1))


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
