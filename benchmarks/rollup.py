"""Rollups at scale: 90 sealed days with 5 M requests, then one more day.

    python -m benchmarks.rollup [--days 90] [--requests 5000000] [--accounts 12000] [--keep DIR]

Prints wall and processor seconds of the first run and of a run with one more day, the peak memory
of the first run in a separate process, and what building the page takes. On a machine that
others use, compare processor seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.harness import Report
from pipeline.dashboard.site import build
from pipeline.events.schema import withheld
from pipeline.io.lake.publications import RollupStore
from pipeline.io.package_data import load_metrics, load_schemas
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.pipeline_metrics import Facts
from pipeline.ops.rollup.registry import parse_registry
from pipeline.ops.rollup.run import Contents, RollupReport, RollupSettings, roll_up
from tests.dashboards import SECRET, published
from tests.lake_rows import EPOCH, SCHEMAS, World, day_files, write_lake

LAST = date(2026, 11, 22)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Wall and processor seconds of some work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - processor, 2),
    }


def publish(root: Path, some: list[DayFiles], day: date) -> RollupReport:
    """Publish what is due at noon after `day`."""
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)
    registry = parse_registry(load_metrics(), EPOCH, withheld(load_schemas()))
    store = RollupStore(str(root))
    contents = Contents(registry, some, SCHEMAS, Facts())
    return roll_up(contents, store, RollupSettings(SECRET), now, time.monotonic)


def first_run(root: Path, last: date) -> dict[str, float]:
    """Publish all days until `last`; time, and the peak of this whole process."""
    files = [file for file in stored(root) if file.day <= last]
    return timed(lambda: publish(root, files, last)) | {
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    }


def stored(root: Path) -> list[DayFiles]:
    """The files of a lake that `write_lake` made."""
    return [
        day_files(event, date.fromisoformat(path.parent.name.split("=")[1]), [path], rows)
        for event in SCHEMAS
        for path in sorted((root / "events" / event).glob("*/*.parquet"))
        for rows in [pq.read_metadata(path).num_rows]
    ]


def run(events: int, times: int) -> Report:
    """Publish a lake of 90 days with `events` requests in all; `times` does not apply."""
    del times
    command = [sys.executable, "-m", "benchmarks.rollup", "--requests", str(events)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    values: dict[str, Any] = json.loads(done.stdout)
    lines = [
        f"| {name} | {one['cpu_s']:.1f} | {1e6 * one['cpu_s'] / values['rows']:.1f} "
        f"| {one.get('peak_mib', 0) or ''} |"
        for name, one in values.items()
        if isinstance(one, dict)
    ]
    text = (
        f"{values['days']} days, {values['rows']:,} rows; "
        f"page of {values['page_bytes']:,} bytes.\n\n"
        "| | CPU s | µs for each row of the lake | peak MiB |\n| --- | ---: | ---: | ---: |\n"
        + "\n".join(lines)
    )
    return Report("Rollup", text, values)


def main() -> None:
    """Make the lake, publish all days but the last, then the last, then build the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--days", type=int, default=90)
    arguments.add_argument("--requests", type=int, default=5_000_000)
    arguments.add_argument("--accounts", type=int, default=12_000)
    arguments.add_argument("--keep", type=Path)
    arguments.add_argument("--first-run", type=date.fromisoformat, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.first_run:
        json.dump(first_run(chosen.keep, chosen.first_run), sys.stdout)
        return
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="rollup-"))
    first = LAST - timedelta(days=chosen.days - 1)
    files = write_lake(
        root, World(first, chosen.days, chosen.requests, chosen.accounts, sealed=True)
    )
    # The day before last ends no week, so that the second run shows what a usual day costs.
    usual = LAST - timedelta(days=1)
    command = [sys.executable, "-m", "benchmarks.rollup", "--keep", str(root)]
    command += ["--first-run", str(usual - timedelta(days=1))]
    alone = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    result: dict[str, object] = {
        "rows": sum(file.rows for file in files),
        "days": chosen.days,
        "first_run": json.loads(alone),
        "one_more_day": timed(lambda: publish(root, [f for f in files if f.day <= usual], usual)),
        "day_that_ends_a_week": timed(lambda: publish(root, files, LAST)),
        "nothing_due": timed(lambda: publish(root, files, LAST)),
    }
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    site: dict[str, str] = {}
    result["page"] = timed(lambda: site.update(build(published(RollupStore(str(root))), [], now)))
    result["page_bytes"] = len(site["index.html"].encode())
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")
    if chosen.keep is None:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
