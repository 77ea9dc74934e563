"""How fast one process takes a file into the lake on one core, beside what people use otherwise.

Three contenders read the same file in the same run, pinned to one core: `telemetry run --once`,
one DuckDB statement, an ordinary per-event Beam pipeline. Each is also run on a short file, and
the difference says what an event costs without the start of interpreter and libraries.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from sys import executable

from benchmarks.harness import (
    Measurement,
    Report,
    as_json,
    best_of,
    prepare,
    table,
    telemetry,
    workplace,
)
from benchmarks.inputs import api_requests, opted_out

OURS, DUCKDB, BEAM = "telemetry run", "DuckDB SQL", "per-event Beam"
SHORT = 1_000


def run(events: int, times: int) -> Report:
    """Measure all three and compare."""
    with workplace() as place:
        long = api_requests(place, events)
        short = _head(long, place / "short.ndjson", SHORT)
        without = opted_out(place, long)
        whole, steady = [], []
        for name, command in _contenders(place, without).items():
            repeats = times if name != BEAM else 1  # it takes a minute, and is far from the others
            full = best_of(repeats, name, command(long), events)
            start = best_of(repeats, name, command(short), SHORT)
            whole.append(full)
            steady.append(difference(full, start))
        size = long.stat().st_size / events
    text = (
        f"{events:,} events of {size:.0f} bytes, one core, best of {times}.\n\n"
        f"Whole processes:\n\n{table(whole, DUCKDB)}\n\n"
        f"Without start-up (less a run over {SHORT:,} events):\n\n{table(steady, DUCKDB)}"
    )
    values: dict[str, object] = {"whole": as_json(whole), "steady": as_json(steady)}
    return Report("File to lake, one core", text, values)


def _contenders(place: Path, without: Path) -> dict[str, Callable[[Path], list[str]]]:
    """Each contender as a function from input to a command that starts from nothing."""
    ids = without.read_text("utf-8")

    def ours(source: Path) -> list[str]:
        lake, state = fresh(place / "lake"), fresh(place / "state")
        prepare("optout", "add", "-", "--state", str(state), typed=ids)
        return [
            *removing(lake, state),
            *telemetry("run", "--once", "--backfill", "--event", "api_request"),
            *("--input", str(source), "--lake", str(lake), "--state", str(state)),
        ]

    def contender(module: str) -> Callable[[Path], list[str]]:
        def command(source: Path) -> list[str]:
            target = place / "target"
            return [
                *("sh", "-c", 'rm -rf "$0" && exec "$@"', str(target)),
                *(executable, "-m", f"benchmarks.{module}"),
                *(str(source), str(without), str(target)),
            ]

        return command

    return {OURS: ours, DUCKDB: contender("duckdb_sql"), BEAM: contender("per_event_beam")}


def removing(lake: Path, state: Path) -> list[str]:
    """The beginning of a command that first removes a lake, and what its state knows of it."""
    return ["sh", "-c", 'rm -rf "$0" "$1" && shift && exec "$@"', str(lake), str(state / "tables")]


def fresh(folder: Path) -> Path:
    """The same folder, removed if it was there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _head(source: Path, target: Path, lines: int) -> Path:
    with source.open("rb") as read, target.open("wb") as write:
        write.writelines(line for _, line in zip(range(lines), read, strict=False))
    return target


def difference(full: Measurement, start: Measurement) -> Measurement:
    """What a run took without its start, which the shorter run shows."""
    return replace(
        full,
        events=full.events - start.events,
        cpu_seconds=full.cpu_seconds - start.cpu_seconds,
        wall_seconds=full.wall_seconds - start.wall_seconds,
    )
