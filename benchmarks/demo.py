"""How long `telemetry demo` takes on a prepared machine: its usual size, whatever `events` says."""

import os

from benchmarks.harness import Report, as_json, measure, table, telemetry, workplace

DEMO_EVENTS = 200_000


def run(events: int, times: int) -> Report:
    """Make the demo once; neither argument is used."""
    del events, times
    cores = sorted(os.sched_getaffinity(0))
    with workplace() as place:
        command = telemetry("demo", "--dir", str(place / "demo"))
        made = measure("telemetry demo", command, DEMO_EVENTS, cores)
    values: dict[str, object] = {"wall_seconds": made.wall_seconds, "runs": as_json([made])}
    return Report("Demo", table([made]), values)
