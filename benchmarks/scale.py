"""What a billion events a day ask for: a day simulated minute by minute from measured unit costs.

    python -m benchmarks.scale [--events 1e9] [--peak 50000] [--partitions 16]

Nothing is measured here. Unit costs are declared once, each with its source; the day is a wave with
its peak at 20:00. What it leaves out: brokers, networks, stores that slow down, cores that others
use. A lake of one event is assumed: several events share the load, as each has a table of its own.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

MIB = 1 << 20
DAY_SECONDS, MINUTES = 86_400, 1_440
PEAK_MINUTE = 20 * 60
LATE_DAYS, LIVE_DAYS = 8, 90
STAGED_SECONDS = 30 * 60
"""What is not committed so long after it was staged is abandoned: a sweep may have taken it."""


@dataclass(frozen=True, slots=True)
class UnitCost:
    """A measured figure and where it was measured."""

    value: float
    unit: str
    source: str


COSTS = {
    "intake": UnitCost(1e6 / 145_600, "µs an event", "Kafka to lake: docs/benchmarks.md"),
    "event": UnitCost(630, "bytes", "generated requests: docs/benchmarks.md"),
    "commit, local": UnitCost(2.5, "ms", "the most of 100 to 20,000 files: docs/benchmarks.md"),
    "commit, object store": UnitCost(37, "ms", "0.1: 49 at 1,000 files; CHANGELOG.md"),
    "and for each file of the table": UnitCost(
        235 / 19_000, "ms", "0.1: 49 at 1,000 and 284 at 20,000 files; CHANGELOG.md"
    ),
    "log": UnitCost(13.7 * MIB / 20_000, "bytes an entry", "docs/benchmarks.md"),
    "stored": UnitCost(30, "bytes a row", "unsealed: docs/deployment.md"),
    "sealed": UnitCost(15, "bytes a row", "docs/deployment.md"),
    "seal": UnitCost(5.9, "µs a row", "100 million rows, provisional: docs/benchmarks.md"),
    "sealed file": UnitCost(1.3e6, "rows", "decision 25"),
    "seal, spilled": UnitCost(130, "bytes a row", "decision 25"),
    "rollup": UnitCost(9.3, "µs a row", "at most: 2 million rows, start of 90 days included"),
    "erase": UnitCost(0.8, "µs a row", "8 less 3 days of 150,000 rows: benchmarks/erase"),
    "audit": UnitCost(1.6, "µs a row", "bytes only, 90 days of a million: docs/benchmarks.md"),
    "opt-out": UnitCost(4, "bytes an account", "decision 24; 309 less 273 MiB for ten million"),
}
"""Costs of one core where they are times."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in, and how it is set up."""

    events: float = 1e9
    peak: float = 50_000
    """Events a second in the busiest minute."""
    partitions: int = 16
    flush_seconds: float = 15
    slice_mib: float = 64
    object_store: bool = False
    night_hours: float = 5
    """From 02:00 to 07:00; each nightly job has one core of its own."""
    opt_outs: float = 10e6
    days_of_a_slice: float = 1.0
    """Dates of a slice, and so files of a commit; more when events come late."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a day comes to."""

    commits: float
    most_commits_a_second: float
    files: float
    """Of the day, before it is sealed."""
    most_files: float
    """Of the table, its sealed days included."""
    most_commit_cores: float
    over_a_core_from: float | None
    """The hour since midnight from which commits take more than one core; None: they never do."""
    log_mib: float
    intake_cores_at_peak: float
    intake_core_hours: float


def profile(events: float, peak: float) -> list[float]:
    """Events a second for each minute of a day with this sum and this peak.

    A wave to the power that makes the sum right; ValueError if the peak is below the mean.
    """
    if events / DAY_SECONDS > peak:
        raise ValueError("the peak is below the mean of the day")
    waves = [
        (1 + math.cos(2 * math.pi * (minute - PEAK_MINUTE) / MINUTES)) / 2
        for minute in range(MINUTES)
    ]
    low, high = 0.0, 1e6
    for _ in range(100):
        power = (low + high) / 2
        total = 60 * peak * sum(wave**power for wave in waves)
        low, high = (power, high) if total > events else (low, power)
    return [peak * wave**high for wave in waves]


def simulate(load: Load) -> Simulated:
    """Go through one day by minutes; the table starts with the files of the unsealed day before."""
    rates = profile(load.events, load.peak)
    of_slice = load.slice_mib * MIB / COSTS["event"].value
    # A partition commits when the interval has passed or its slice is full, whichever is first.
    a_second = [
        load.partitions * max(1 / load.flush_seconds, rate / load.partitions / of_slice)
        if rate > 0
        else 0.0
        for rate in rates
    ]
    commits = 60 * sum(a_second)
    files = commits * load.days_of_a_slice
    sealed = (LIVE_DAYS - 2) * math.ceil(load.events / COSTS["sealed file"].value)
    held, most, cores, over = sealed + files, 0.0, 0.0, None
    for minute, rate in enumerate(a_second):
        if minute == int((2 + load.night_hours) * 60):  # yesterday's seal has ended
            held -= files
        held += 60 * rate * load.days_of_a_slice
        most, spent = max(most, held), rate * commit_seconds(load, held)
        cores = max(cores, spent)
        if over is None and spent > 1:
            over = minute / 60
    intake = COSTS["intake"].value / 1e6
    return Simulated(
        commits=commits,
        most_commits_a_second=max(a_second),
        files=files,
        most_files=most,
        most_commit_cores=cores,
        over_a_core_from=over,
        log_mib=2 * commits * COSTS["log"].value / MIB,
        intake_cores_at_peak=max(rates) * intake,
        intake_core_hours=load.events * intake / 3600,
    )


def commit_seconds(load: Load, files: float) -> float:
    """What a commit takes of a core, when its table has so many files."""
    if not load.object_store:
        return COSTS["commit, local"].value / 1e3
    each = COSTS["and for each file of the table"].value
    return (COSTS["commit, object store"].value + files * each) / 1e3


@dataclass(frozen=True, slots=True)
class Job:
    """A job over the lake: how many days' rows it reads, and what it must be done in."""

    name: str
    cost: str
    days: int
    hours: float


def jobs(load: Load) -> list[Job]:
    """Jobs in the order of the night; a day's second seal reads it again, after the lateness."""
    return [
        Job("seal, a closed day and a final one", "seal", 2, load.night_hours),
        Job("rollup, one more day", "rollup", 1, load.night_hours),
        Job("erase, all live days", "erase", LIVE_DAYS, 24),
        Job("audit, all live days", "audit", LIVE_DAYS, 24),
    ]


def core_hours(job: Job, events: float) -> float:
    """What a job takes of one core at so many events a day."""
    return job.days * events * COSTS[job.cost].value / 1e6 / 3600


def ends_up_to(job: Job) -> float:
    """Events a day up to which a job on one core ends in its time."""
    return job.hours / core_hours(job, 1.0)


def report(load: Load) -> str:
    """The whole answer as Markdown."""
    store = replace(load, object_store=True)
    loads = {
        "local folder": replace(load, object_store=False),
        "object store": store,
        "object store, 4 x the partitions": replace(store, partitions=4 * load.partitions),
        "object store, 4 x the interval": replace(store, flush_seconds=4 * load.flush_seconds),
    }
    cases = [simulate(one) for one in loads.values()]
    local = cases[0]
    rows = [
        f"| | {' | '.join(loads)} |",
        "| --- " + "| ---: " * len(loads) + "|",
        _line("partitions", *(one.partitions for one in loads.values())),
        _line("seconds between commits", *(one.flush_seconds for one in loads.values())),
        _line("commits a second, most", *(one.most_commits_a_second for one in cases)),
        _line("files a day, before its seal", *(one.files for one in cases)),
        _line("files of the table, most", *(one.most_files for one in cases)),
        _line("log entries of two days, MiB", *(one.log_mib for one in cases)),
        _line("cores that commits take, most", *(one.most_commit_cores for one in cases)),
        "| commits take more than a core from | " + " | ".join(map(_hour, cases)) + " |",
    ]
    nights = [
        "| job, one core | core hours | must end in | ends up to, events a day | |",
        "| --- | ---: | ---: | ---: | --- |",
        *(
            f"| {job.name} | {core_hours(job, load.events):.1f} | {job.hours:.0f} h "
            f"| {ends_up_to(job) / 1e6:,.0f} M "
            f"| {'ends' if core_hours(job, load.events) <= job.hours else 'does not end'} |"
            for job in jobs(load)
        ),
    ]
    sizes = [
        "| size | |",
        "| --- | ---: |",
        f"| cores that read, at the peak | {local.intake_cores_at_peak:.2f} |",
        f"| core hours of reading, a day | {local.intake_core_hours:.1f} |",
        f"| lake of {LIVE_DAYS} days, GB | {_lake_gb(load):,.0f} |",
        "| largest day whose seal surely commits within half an hour of staging, M rows "
        f"| {STAGED_SECONDS / COSTS['seal'].value:,.0f} |",
        f"| spilled while a day is sealed, GB | {_gb(load, 'seal, spilled'):,.0f} |",
        f"| memory of {load.opt_outs / 1e6:.0f} M opt-outs, a process, MiB "
        f"| {load.opt_outs * COSTS['opt-out'].value / MIB:.0f} |",
    ]
    return "\n\n".join("\n".join(part) for part in (rows, nights, sizes))


def unit_costs() -> str:
    """The declared unit costs as Markdown."""
    lines = ["| cost | | measured |", "| --- | ---: | --- |"]
    lines += [f"| {k} | {c.value:.3g} {c.unit} | {c.source} |" for k, c in COSTS.items()]
    return "\n".join(lines)


def _line(name: str, *values: float) -> str:
    shown = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values)
    return f"| {name} | " + " | ".join(shown) + " |"


def _hour(one: Simulated) -> str:
    at = one.over_a_core_from
    return "never" if at is None else f"{int(at):02}:{round(at % 1 * 60):02}"


def _gb(load: Load, cost: str) -> float:
    return load.events * COSTS[cost].value / 1e9


def _lake_gb(load: Load) -> float:
    return LATE_DAYS * _gb(load, "stored") + (LIVE_DAYS - LATE_DAYS) * _gb(load, "sealed")


def main(words: Sequence[str]) -> int:
    """Print unit costs and what a day comes to."""
    parser = argparse.ArgumentParser(description="Simulate a day from unit costs.")
    parser.add_argument("--events", type=float, default=1e9, help="a day")
    parser.add_argument("--peak", type=float, default=50_000, help="events a second at most")
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--flush-seconds", type=float, default=15)
    parser.add_argument("--opt-outs", type=float, default=10e6)
    given = parser.parse_args(words)
    load = Load(
        given.events,
        given.peak,
        given.partitions,
        given.flush_seconds,
        opt_outs=given.opt_outs,
    )
    print(f"{unit_costs()}\n\n{report(load)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
