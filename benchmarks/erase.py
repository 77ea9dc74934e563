"""Erase accounts from a lake of many days, and compare with reading and copying the same files.

100 accounts (of 20,000) leave `days` days of `events` API requests each: every row group holds
some of them, so every file is rewritten. The bound is DuckDB: the least that a rewrite can be is
one statement that copies the same rows to zstd Parquet.

    python -m benchmarks.run erase --events 1000000        one million a day
    TELEMETRY_ERASE_DAYS=90 python -m benchmarks.run erase the whole retention
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from benchmarks.harness import Measurement, Report, as_json, measure, table, workplace

if TYPE_CHECKING:
    from pipeline.io.event_table import EventTable

ACCOUNTS, ERASED = 20_000, 100


def run(events: int, times: int) -> Report:
    """Erase from a new lake; `times` does not apply: a second erasure finds nothing."""
    del times
    days = int(os.environ.get("TELEMETRY_ERASE_DAYS", "4"))
    cores = sorted(os.sched_getaffinity(0))[:2]
    with workplace() as folder:
        lake = folder / "lake"
        _step(["make", str(lake), str(events), str(days)], 0, cores)
        rows = [
            _step(["find", str(lake)], events * days, cores),
            _step(["copy", str(lake)], events * days, cores),
            _step(["erase", str(lake)], events * days, cores),
        ]
        told = json.loads((folder / "erased.json").read_text("utf-8"))
    text = (
        f"{ERASED} of {ACCOUNTS:,} accounts, {days} days of {events:,} rows: {told['removed']:,} "
        f"rows removed from {told['files']} files and read back, {told['left']} left.\n\n"
        + table(rows, against="copy by DuckDB")
    )
    return Report("Erasure", text, {"erased": told, "runs": as_json(rows)})


def _step(words: list[str], events: int, cores: list[int]) -> Measurement:
    names = {"make": "make", "find": "find", "copy": "copy by DuckDB", "erase": "erase"}
    command = [sys.executable, "-m", "benchmarks.erase", *words]
    return measure(names[words[0]], command, events, cores)


def make(lake: Path, events: int, days: int) -> None:
    """Write final files of invented requests, sorted as a seal sorts them."""
    import secrets
    from datetime import date, timedelta

    from pipeline.io.parquet import ROWS_PER_GROUP, PartKind

    table = _table(lake)
    written = pa.schema([field for field in table.log.schema if field.name != "event_date"])
    accounts = [secrets.token_hex(16) for _ in range(ACCOUNTS)]
    sessions = [secrets.token_hex(16) for _ in range(max(events // 8, 1))]
    random = np.random.default_rng(1)
    rows = _invented(written, events, {"subject": accounts, "session": sessions}, random)
    staging = table.staging()
    for number in range(days):
        with staging.open(
            date(2026, 9, 1) + timedelta(days=number), written, PartKind.FINAL
        ) as part:
            for start in range(0, events, ROWS_PER_GROUP):
                part.write(rows.slice(start, ROWS_PER_GROUP))
    table.rewrite([], staging, metadata={"job": "make"})
    (lake.parent / "subjects.json").write_text(json.dumps(accounts[ERASED : 2 * ERASED]), "utf-8")


def _invented(
    written: pa.Schema, events: int, tokens: Mapping[str, list[str]], random: np.random.Generator
) -> pa.Table:
    """Make rows of few accounts that make most of the traffic, in sessions of eight requests."""
    columns = []
    for number, field in enumerate(written):
        if field.name in tokens:
            many = len(tokens[field.name])
            ranks = np.minimum((random.pareto(1.1, events) * many / 50).astype(int), many - 1)
            if field.name == "session":
                ranks = np.repeat(random.permutation(many), 8)[:events]
                ranks = np.resize(ranks, events)
            columns.append(pa.array(tokens[field.name]).take(pa.array(ranks)))
        elif pa.types.is_string(field.type):
            words = pa.array([None] if field.name == "event_token" else ["one", "two", "three"])
            columns.append(
                words.cast(pa.string()).take(pa.array(random.integers(0, len(words), events)))
            )
        else:
            values = random.integers(0, 20 + number % 3, events)
            columns.append(pa.array(values).cast(field.type))
    return pa.Table.from_arrays(columns, schema=written)


def _table(lake: Path) -> EventTable:
    from pipeline.io.lake import Lake
    from pipeline.io.resources import load_schemas

    stored = load_schemas()["api_request"][-1].stored
    return Lake(str(lake), state=lake.parent / "state").events("api_request", stored)


def main(step: str, place: str, *numbers: str) -> None:
    """Carry out one step in a process of its own."""
    from pipeline.ops.erase import Subjects, erase, find
    from pipeline.privacy.epochs import EpochKind, epoch_of

    lake = Path(place)
    if step == "make":
        make(lake, *map(int, numbers))
        return
    table = _table(lake)
    snapshot = table.snapshot()
    tokens = json.loads((lake.parent / "subjects.json").read_text("utf-8"))
    epochs = {epoch_of(file.day, EpochKind.FOUR_WEEKS).name for file in snapshot.files}
    subjects = Subjects(EpochKind.FOUR_WEEKS, dict.fromkeys(epochs, tokens))
    if step == "find":
        find(table, subjects)
    elif step == "copy":
        import duckdb

        target = lake.parent / "copied.parquet"
        for file in snapshot.files:
            duckdb.execute(
                f"COPY (FROM read_parquet('{file.uri}')) TO '{target}' "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
        target.unlink()
    else:
        done = erase(table, subjects, job="erase")
        told = {
            "removed": done.rows_removed,
            "files": done.files_before,
            "left": len(find(table, subjects)),
        }
        (lake.parent / "erased.json").write_text(json.dumps(told), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
