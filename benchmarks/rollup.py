"""Rollups at scale: 90 sealed days with 5 M requests, then one more day.

    python -m benchmarks.rollup [--days 90] [--requests 5000000] [--accounts 12000] [--keep DIR]

Prints wall and processor seconds of the first run and of a run with one more day, peak memory,
and what building the page takes. On a machine that others use, compare processor seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.dashboard.site import build
from pipeline.io.resources import load_metrics
from pipeline.io.rollups import RollupStore
from pipeline.ops.rollup import Report, RollupSettings, roll_up
from pipeline.ops.rollup_facts import Facts
from pipeline.ops.rollup_registry import parse_registry
from pipeline.ops.rollup_rows import DayFiles
from tests.dashboards import published
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake

LAST = date(2026, 11, 22)


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Wall and processor seconds of some work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(time.process_time() - processor, 2),
    }


def main() -> None:
    """Make the lake, publish all days but the last, then the last, then build the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--days", type=int, default=90)
    arguments.add_argument("--requests", type=int, default=5_000_000)
    arguments.add_argument("--accounts", type=int, default=12_000)
    arguments.add_argument("--keep", type=Path)
    chosen = arguments.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp(prefix="rollup-"))
    first = LAST - timedelta(days=chosen.days - 1)
    files = write_lake(
        root, World(first, chosen.days, chosen.requests, chosen.accounts, sealed=True)
    )
    registry = parse_registry(load_metrics(), EPOCH)
    store = RollupStore(str(root))

    def publish(some: list[DayFiles], day: date) -> Report:
        now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)
        return roll_up(
            registry, some, SCHEMAS, store, Facts(), RollupSettings(), now, time.monotonic
        )

    # The day before last ends no week, so that the second run shows what a usual day costs.
    usual = LAST - timedelta(days=1)
    before = [file for file in files if file.day < usual]
    result: dict[str, object] = {
        "rows": sum(file.rows for file in files),
        "days": chosen.days,
        "first_run": timed(lambda: publish(before, usual - timedelta(days=1))),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "one_more_day": timed(lambda: publish([f for f in files if f.day <= usual], usual)),
        "day_that_ends_a_week": timed(lambda: publish(files, LAST)),
        "nothing_due": timed(lambda: publish(files, LAST)),
    }
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    site: dict[str, str] = {}
    result["page"] = timed(lambda: site.update(build(published(store), [], now)))
    result["page_bytes"] = len(site["index.html"].encode())
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")
    if chosen.keep is None:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
