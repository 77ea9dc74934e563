"""What grows with time: commits by the log of their table, the opt-out list by its accounts.

A table with so many files and as many entries is written into a local folder; then a writer that
has it open commits slices of one small file each, asking for its position before each as a shard
does. What the Parquet file takes is measured in the same loop without a commit, and subtracted.
"""

import itertools
import json
import secrets
import shutil
import tempfile
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from benchmarks.harness import Report
from benchmarks.optout_growth import growing_list
from pipeline.events.model import NONE_REJECTED, CleanBatch, Span
from pipeline.io.delta.append import append
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake

SIZES = (100, 1_000, 5_000, 20_000)
COMMITS = 100
EVENT = "api_request"
DAY = date(2026, 11, 24)
SCHEMA = pa.schema([("event_date", pa.date32()), ("subject", pa.string())])
APP_ID = "file/growth/0"
A_SLICE = 10


def run(events: int, times: int) -> Report:
    """Grow one table after another; `events` is not used."""
    del events
    rows: dict[int, dict[str, float]] = {}
    for files in SIZES:
        folder = Path(tempfile.mkdtemp(prefix="growth-"))
        try:
            rows[files] = _measured(folder, files, times)
        finally:
            shutil.rmtree(folder)
    first = rows[SIZES[0]]["commit_ms"]
    lines = [
        f"| {files:,} | {row['commit_ms']:.2f} | {row['commit_ms'] / first:.2f} "
        f"| {row['load_ms']:.0f} | {row['log_mib']:.1f} |"
        for files, row in rows.items()
    ]
    text = (
        f"{COMMITS} commits of one file each, CPU milliseconds, best of {times}; a checkpoint "
        "whenever one is due is part of them.\n\n"
        "| files, entries | a commit | ratio | loading the table | log, MiB |\n"
        "| ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(lines)
    )
    listed, sizes = growing_list(times)
    values: dict[str, object] = {str(files): row for files, row in rows.items()}
    return Report("A growing log and list", f"{text}\n\n{listed}", {**values, "optouts": sizes})


def _measured(folder: Path, files: int, times: int) -> dict[str, float]:
    lake = Lake(str(folder / "lake"))
    table = lake.events(EVENT, SCHEMA)
    table.log.ensure()
    _grow(table, files)
    position = 0
    best, staging = float("inf"), float("inf")
    # A start looks through the log and syncs what it finds: that is once, and no commit's cost.
    table.commit(_batch(position))
    for _ in range(times):
        began = time.process_time()
        for _ in range(COMMITS):
            position = table.position(APP_ID) or 0
            table.commit(_batch(position))
        best = min(best, time.process_time() - began)
        began = time.process_time()
        for _ in range(COMMITS):
            table.stage(_batch(position)).discard()
        staging = min(staging, time.process_time() - began)
    began = time.process_time()
    for _ in range(5):
        DeltaTable(table.log.uri)
    load = (time.process_time() - began) / 5
    size = sum(path.stat().st_size for path in table.log.folder.iterdir() if path.is_file())
    lake.close()
    return {
        "commit_ms": 1000 * (best - staging) / COMMITS,
        "load_ms": 1000 * load,
        "log_mib": size / 2**20,
    }


def _grow(table: EventTable, files: int) -> None:
    """Write an entry for each file; the files themselves are not needed."""
    for number in range(files):
        name = f"event_date={DAY}/part-000000000000-{secrets.token_hex(16)}.parquet"
        stats = json.dumps({"numRecords": A_SLICE})
        action = AddAction(name, 1_000, {"event_date": str(DAY)}, 0, True, stats)
        append(table.log.uri, number + 1, "event_date", [action], {"file/other/0": number}, {})
        if number % 5_000 == 4_999:
            DeltaTable(table.log.uri).create_checkpoint()
    DeltaTable(table.log.uri).create_checkpoint()


_NUMBERS = itertools.count()


def _batch(position: int) -> CleanBatch:
    subjects = [f"{next(_NUMBERS):032x}" for _ in range(A_SLICE)]
    rows = pa.RecordBatch.from_arrays(
        [pa.array([DAY] * A_SLICE, pa.date32()), pa.array(subjects)], schema=SCHEMA
    )
    span = Span("file", "growth", 0, position, position + A_SLICE)
    return CleanBatch(span, EVENT, A_SLICE, rows, NONE_REJECTED)
