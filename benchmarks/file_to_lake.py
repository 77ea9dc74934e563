"""How fast one process takes a file into the lake on one core, beside what people use otherwise.

All contenders read the same file in the same run, pinned to one core: `telemetry run --once`, one
DuckDB statement, one streamed query of Polars, Bento if it is there, an ordinary per-event Beam
pipeline, and ourselves without the native kernel. Each is also run on a short file, and the
difference says what an event costs without the start of interpreter and libraries. The work is not
the same: each contender's module says what it leaves out, and `DIFFERENCES` says it in short.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from sys import executable

import pyarrow.parquet as pq

from benchmarks import bento
from benchmarks.harness import (
    ContenderFailed,
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

OURS, FALLBACK = "telemetry run", "telemetry run, no kernel"
DUCKDB, POLARS, BENTO, BEAM = "DuckDB SQL", "Polars streaming", "Bento", "per-event Beam"
SLOW = (FALLBACK, BENTO, BEAM)
"""They take a minute, and are far from the others: once is enough."""
SHORT = 1_000
DIFFERENCES = {
    OURS: "three keyed tokens, GPC and DNT, closed lists, strict, exactly-once commits of slices",
    FALLBACK: "the same, decoding and tokens in Python",
    DUCKDB: "one token (nested SHA-256, as HMAC), lenient, one statement over a finished file",
    POLARS: "one 64-bit hash that anybody can repeat, not SHA-256; lenient; one query",
    BENTO: "one HMAC, NDJSON in one file: neither Parquet nor days; no positions",
    BEAM: "one HMAC, no days, no exactly-once",
}
"""What each contender does of the work, or leaves out."""


def run(events: int, times: int) -> Report:
    """Measure all and compare."""
    with workplace() as place:
        long = api_requests(place, events)
        short = _head(long, place / "short.ndjson", SHORT)
        without = opted_out(place, long)
        kept: dict[str, int | None] = {}
        whole, steady = [], []
        size = long.stat().st_size / events
        for name, command in _contenders(place, without).items():
            repeats = 1 if name in SLOW else times
            full = best_of(repeats, name, command(long), events)
            rows, stored = _stored(place, name)
            kept[name] = rows
            peer = OURS if name == FALLBACK else DUCKDB
            if rows is not None and rows != kept.get(peer, rows):
                raise ContenderFailed(f"{name} kept {rows:,} events, {peer} {kept[peer]:,}")
            full = replace(full, input_bytes=size, stored_bytes=stored)
            start = best_of(repeats, name, command(short), SHORT)
            whole.append(full)
            steady.append(difference(full, start))
    lack = bento.missing()
    left_out = f"\n\n{BENTO} is left out: {lack}." if lack else ""
    work = "\n".join(f"| {one.name} | {DIFFERENCES[one.name]} |" for one in whole)
    text = (
        f"{events:,} events of {size:.0f} bytes, one core, best of {times}; "
        f"ours stores {kept[OURS]:,}, peers, which know no signals, {kept[DUCKDB]:,}."
        f"{left_out}\n\n"
        f"Whole processes:\n\n{table(whole, DUCKDB)}\n\n"
        f"Without start-up (less a run over {SHORT:,} events):\n\n{table(steady, DUCKDB)}\n\n"
        f"| | work |\n| --- | --- |\n{work}"
    )
    values: dict[str, object] = {
        "whole": as_json(whole),
        "steady": as_json(steady),
        "kept": kept,
        "left_out": {BENTO: lack} if lack else {},
    }
    return Report("File to lake, one core", text, values)


def _stored(place: Path, name: str) -> tuple[int | None, float | None]:
    """Rows that a contender left, and bytes of each; None if they are not Parquet."""
    left = place / ("lake/events" if name in (OURS, FALLBACK) else ".")
    files = list(left.glob("*/event_date=*/*.parquet")) or list(place.glob("target-*.parquet"))
    rows = sum(pq.read_metadata(file).num_rows for file in files)
    if not rows:
        return None, None
    return rows, round(sum(file.stat().st_size for file in files) / rows, 1)


def _contenders(place: Path, without: Path) -> dict[str, Callable[[Path], list[str]]]:
    """Each contender as a function from input to a command that starts from nothing."""
    ids = without.read_text("utf-8")

    def ours(source: Path, *before: str) -> list[str]:
        for left in place.glob("target*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        lake, state = fresh(place / "lake"), fresh(place / "state")
        prepare("optout", "add", "-", "--state", str(state), typed=ids)
        return [
            *removing(lake, state),
            *before,
            *telemetry("run", "--once", "--backfill", "--event", "api_request"),
            *("--input", str(source), "--lake", str(lake), "--state", str(state)),
        ]

    def contender(module: str) -> Callable[[Path], list[str]]:
        def command(source: Path) -> list[str]:
            target = place / "target"
            fresh(place / "lake")
            return [
                *("sh", "-c", 'rm -rf "$0" "$0"-*.parquet && exec "$@"', str(target)),
                *(executable, "-m", f"benchmarks.{module}"),
                *(str(source), str(without), str(target)),
            ]

        return command

    found: dict[str, Callable[[Path], list[str]]] = {
        OURS: ours,
        DUCKDB: contender("duckdb_sql"),
        POLARS: contender("polars_stream"),
        FALLBACK: lambda source: ours(source, "env", "TELEMETRY_KERNEL=off"),
        BEAM: contender("per_event_beam"),
    }
    if bento.missing() is None:
        found[BENTO] = contender("bento")
    return found


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
