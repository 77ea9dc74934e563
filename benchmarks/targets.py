"""What must be reached and what is aimed at, declared once, and where the results hold each figure.

The results are what `benchmarks.run --json` writes: values by the name of a benchmark. A figure
that is not there is None, never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from benchmarks.file_to_lake import DUCKDB, FALLBACK, OURS
from benchmarks.flink_sql import WARM

Results = Mapping[str, Any]
Read = Callable[[Results], float | None]
FULL_ERASE_ROWS = 80_000_000
"""The promise about erasing is of 90 days of a million rows; a smaller lake says nothing of it."""


class Verdict(Enum):
    """What a figure is beside its floor and its aim."""

    MISSING = "not measured"
    FAILED = "floor missed"
    SHORT = "aim not reached"
    MET = "floor met"
    AIMED = "aim reached"


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, its floor and its aim; `more` says in which direction it gets better."""

    what: str
    benchmark: str
    unit: str
    floor: float | None
    aim: float | None
    more: bool
    read: Read

    def verdict(self, value: float | None) -> Verdict:
        """Judge a value; one that has no floor to miss can still fall short of the aim."""
        if value is None:
            return Verdict.MISSING
        if self.aim is not None and self._reaches(value, self.aim):
            return Verdict.AIMED
        if self.floor is None:
            return Verdict.SHORT if self.aim is not None else Verdict.MET
        return Verdict.MET if self._reaches(value, self.floor) else Verdict.FAILED

    def _reaches(self, value: float, limit: float) -> bool:
        return value >= limit if self.more else value <= limit


def found(target: Target, results: Results) -> float | None:
    """The target's figure in the results, or None if they do not hold it."""
    try:
        return target.read(results)
    except (KeyError, IndexError, TypeError, StopIteration, ValueError, ZeroDivisionError):
        return None


def _row(rows: Sequence[Results], name: str) -> Results:
    return next(row for row in rows if row["name"] == name)


def _rate(benchmark: str, name: str = OURS) -> Read:
    return lambda all_: float(_row(all_[benchmark]["steady"], name)["per_cpu_second"])


def _ratio(benchmark: str, other: str) -> Read:
    ours, theirs = _rate(benchmark), _rate(benchmark, other)
    return lambda all_: (ours(all_) or 0.0) / (theirs(all_) or 0.0)


def _peak(all_: Results) -> float:
    peaks = [_row(all_[name]["whole"], OURS)["peak_mib"] for name in _READERS if name in all_]
    return float(max(peaks))


_READERS = ("file_to_lake", "kafka_to_lake")


def _worst_shape(all_: Results) -> float:
    shapes = dict(all_["shapes"])
    ordinary = shapes.pop("ordinary")
    return float(max(cost for cost in shapes.values() if isinstance(cost, float)) / ordinary)


def _grown(*path: str, figure: str) -> Read:
    """How many times as much the largest size costs as the smallest of a growth."""

    def read(all_: Results) -> float:
        sizes = all_["growth"]
        for step in path:
            sizes = sizes[step]
        numbers = sorted((name for name in sizes if name.isdigit()), key=int)
        return float(sizes[numbers[-1]][figure] / sizes[numbers[0]][figure])

    return read


def _seal(all_: Results, figure: str) -> float:
    """The most memory of any seal, or the microseconds a row of the largest whole day."""
    runs = all_["seal"]["runs"]
    if figure == "peak":
        return float(max(run["peak_mib"] for run in runs))
    whole = [run for run in runs if run["name"] != "late"]
    most = max(run["events"] for run in whole)
    return float(
        max(1e6 * run["cpu_seconds"] / most for run in whole if run["events"] >= 0.9 * most)
    )


def _erase(all_: Results) -> float | None:
    run = _row(all_["erase"]["runs"], "erase")
    return float(run["wall_seconds"]) if run["events"] >= FULL_ERASE_ROWS else None


def _first_chart(all_: Results) -> float:
    seen = sorted(all_["dashboard"]["milliseconds"]["first chart"]["desktop"])
    return float(seen[len(seen) // 2] / 1000)


RATE, TIMES = "events per CPU-second", "x"

TARGETS = (
    Target("File to lake beside DuckDB SQL", "file_to_lake", TIMES, 0.9, 1.3, True,
           _ratio("file_to_lake", DUCKDB)),
    Target("File to lake", "file_to_lake", RATE, None, 400_000, True, _rate("file_to_lake")),
    Target("File to lake without the kernel", "file_to_lake", RATE, 30_000, None, True,
           _rate("file_to_lake", FALLBACK)),
    Target("Kafka to lake beside Flink SQL, warm", "flink_sql", TIMES, 2, 3, True,
           _ratio("flink_sql", WARM)),
    Target("Kafka to lake", "kafka_to_lake", RATE, None, 300_000, True, _rate("kafka_to_lake")),
    Target("Two workers beside one", "workers", TIMES, 1.8, 1.95, True,
           lambda all_: float(all_["workers"]["steady_ratio"])),
    Target("A worker on Flink beside the local one", "flink_pace", TIMES, 0.8, 0.95, True,
           lambda all_: float(all_["flink_pace"]["ratio"])),
    Target("The most expensive shape of input, a byte", "shapes", TIMES, 3, 2, False,
           _worst_shape),
    Target("Produced to readable, p99", "kafka_freshness", "s", 20, 16, False,
           lambda all_: float(all_["kafka_freshness"]["p99"])),
    Target("Memory of a worker", "file_to_lake", "MiB", 700, 400, False, _peak),
    Target("A commit at 20,000 files beside 100", "growth", TIMES, 1.1, None, False,
           _grown("files", figure="commit_ms")),
    Target("An event at 10 M opt-outs beside 10", "growth", TIMES, 1.1, None, False,
           _grown("optouts", figure="gate_us")),
    Target("An event of a slice of 88 days beside one", "growth", TIMES, 1.1, None, False,
           _grown("days", figure="us")),
    Target("Seal, memory", "seal", "MiB", 1536, 800, False, lambda all_: _seal(all_, "peak")),
    Target("Seal, a row", "seal", "µs", 4, None, False, lambda all_: _seal(all_, "row")),
    Target("Erase 100 accounts from 90 days of a million", "erase", "s", 60, 20, False, _erase),
    Target("Dashboard, first chart", "dashboard", "s", 0.6, None, False, _first_chart),
    Target("Dashboard, page", "dashboard", "MB", 1.5, None, False,
           lambda all_: float(all_["dashboard"]["page_mb"])),
    Target("telemetry --help", "startup", "s", 0.15, None, False,
           lambda all_: float(all_["startup"]["help_seconds"])),
    Target("telemetry status", "startup", "CPU s", 0.6, 0.3, False,
           lambda all_: float(all_["startup"]["commands"]["status"]["cpu_seconds"])),
    Target("telemetry sql \"select 1\"", "startup", "CPU s", 0.6, 0.3, False,
           lambda all_: float(all_["startup"]["commands"]["sql"]["cpu_seconds"])),
    Target("The demo", "demo", "s", 60, 30, False,
           lambda all_: float(all_["demo"]["wall_seconds"])),
)  # fmt: skip
"""Floors and aims, in the order in which they are shown."""
