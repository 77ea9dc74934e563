"""Seal days of 0.5, 2, 8 and 20 M requests: processor time a row, and memory that is bounded.

    python -m benchmarks.seal [--rows 100000000]     one day of any size; needs 150 bytes a row

A real day goes through the pipeline, which leaves the files of its slices. Larger days have the
same rows again and again, with other tokens of events, accounts and sessions, and one row in a
hundred twice. Each gets a provisional seal, then 50 rows come late, then its final seal, all by
the command that a scheduler runs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import (
    Measurement,
    Report,
    as_json,
    measure,
    prepare,
    telemetry,
    workplace,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.io.lake.event_table import EventTable

EVENT, DAY = "api_request", date(2026, 11, 10)
TIMES = (1, 4, 16, 40)
"""How many times as large as the real day each day is."""
REAL = 510_000
"""Messages of the real day; some are refused."""
LATE = 50
STEPS = {"provisional": 1, "late": 2, "final": 12}
"""Days after `DAY` on which each seal runs."""


def run(events: int, times: int) -> Report:
    """Seal every day once; neither argument applies: a sealed day is left alone."""
    del events, times
    measured = [done for size in TIMES for done in _sealed(size)]
    return Report("Sealing a day", table(measured), {"runs": as_json(measured)})


def table(measured: Sequence[Measurement]) -> str:
    """Return the runs as a Markdown table: microseconds a row of the day, and memory."""
    lines = ["| seal | rows of the day | CPU s | CPU µs a row | wall s | peak MiB |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one.name} | {one.events:,} | {one.cpu_seconds:.1f} "
        f"| {1e6 * one.cpu_seconds / one.events:.2f} | {one.wall_seconds:.1f} "
        f"| {one.peak_mib:.0f} |"
        for one in measured
    ]
    return "\n".join(lines)


def _sealed(size: int) -> list[Measurement]:
    cores = sorted(os.sched_getaffinity(0))
    with workplace() as place:
        words = ["--lake", str(place / "lake"), "--state", str(place / "state"), "--quiet"]
        raw, ended = place / "in.ndjson", f"{DAY}T23:59:59Z"
        made = ["--event", EVENT, "--events", str(REAL), "--now", ended, "--quiet"]
        prepare("generate", *made, "--out", str(raw))
        prepare("run", "--input", str(raw), "--event", EVENT, "--once", "--now", ended, *words)
        raw.unlink()
        rows = _apart("grow", place, size)
        measured = []
        for name, days in STEPS.items():
            if name == "late":
                rows += _apart("late", place, LATE)
            now = f"{DAY + timedelta(days=days)}T03:00:00Z"
            command = telemetry("seal", "--date", str(DAY), "--now", now, *words)
            measured.append(measure(name, command, rows, cores))
            print(table(measured[-1:]).rpartition("\n")[2], file=sys.stderr, flush=True)
        return measured


def _apart(step: str, place: Path, number: int) -> int:
    """Run a step in a process of its own, so that its memory is not this one's."""
    command = [sys.executable, "-m", "benchmarks.seal", step, str(place), str(number)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def grow(place: Path, size: int) -> int:
    """Add the rows of the day again until there are `size` times as many; return how many."""
    import pyarrow as pa

    events = _table(place)
    real = [file for file in events.snapshot().files if file.day == DAY]
    staging = events.staging()
    for file in real:
        rows = events.storage.read(file.path)
        for _ in range(1, size):
            repeated = rows.num_rows // 100
            tokens = [rows["event_token"].slice(0, repeated), _tokens(rows.num_rows - repeated)]
            fresh = pa.concat_arrays([part for one in tokens for part in _chunks(one)])
            copy = _replaced(rows, "event_token", fresh)
            for name in ("subject", "session"):
                coded = rows[name].combine_chunks().dictionary_encode()
                other = _tokens(len(coded.dictionary))
                named = pa.DictionaryArray.from_arrays(coded.indices, other)
                copy = _replaced(copy, name, named.cast(pa.string()))
            staging.write(DAY, copy)
    events.rewrite([], staging, metadata={"job": "grow"})
    return sum(file.rows for file in real) * size


def late(place: Path, number: int) -> int:
    """Add a file of late rows, of which half are stored already; return how many."""
    import pyarrow as pa

    events = _table(place)
    file = next(file for file in events.snapshot().files if file.day == DAY)
    rows = events.storage.read(file.path).slice(0, number)
    fresh = pa.concat_arrays(
        [*_chunks(rows["event_token"].slice(number // 2)), _tokens(number // 2)]
    )
    staging = events.staging()
    staging.write(DAY, _replaced(rows, "event_token", fresh))
    events.rewrite([], staging, metadata={"job": "grow"})
    return number


def _chunks(tokens: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return list(getattr(tokens, "chunks", [tokens]))


def _tokens(number: int) -> pa.Array:
    """Return random tokens: 32 hex digits each."""
    import numpy as np
    import pyarrow as pa

    places = pa.py_buffer(np.arange(0, 32 * number + 1, 32, dtype=np.int32))
    digits = pa.py_buffer(os.urandom(16 * number).hex().encode())
    return pa.StringArray.from_buffers(number, places, digits)


def _replaced(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = rows.schema.get_field_index(name)
    return rows.set_column(at, rows.schema.field(at), values)


def _table(place: Path) -> EventTable:
    from pipeline.io.lake.lake import Lake
    from pipeline.io.package_data import load_schemas

    stored = load_schemas()[EVENT][-1].stored
    return Lake(str(place / "lake"), state=place / "state").events(EVENT, stored)


def main() -> None:
    """Run a step for another process, or seal one day of about `--rows` rows."""
    if sys.argv[1:2] in (["grow"], ["late"]):
        step, place, number = sys.argv[1:]
        print({"grow": grow, "late": late}[step](Path(place), int(number)))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    print(table(_sealed(max(1, round(parser.parse_args().rows / 499_000)))))


if __name__ == "__main__":
    main()
