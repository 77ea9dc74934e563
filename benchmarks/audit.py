"""Audit a lake of many days: seconds, and memory that does not grow with it.

The lake is the one that `benchmarks.erase` makes: a generated day with its final seal, and that day
again for every other day, with the tokens that accounts and sessions have in their epochs. It is
published before: an audit makes every figure again. The command is the one that an operator runs,
on two cores; it must find nothing. The aim is 90 days of a million rows in ten minutes and 1 GiB.

    python -m benchmarks.audit --days 90 --rows 1000000
    python -m benchmarks.run audit --events 1000000        four days of a million
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from benchmarks.harness import Report, as_json, measure, prepare, table, telemetry, workplace

NOW = "2026-11-10T23:30:00Z"
"""At the end of the newest day, so that of 90 days none is too old."""


def run(events: int, times: int) -> Report:
    """Audit a new lake once; `times` does not apply: making it takes longer than auditing it."""
    del times
    return measured(int(os.environ.get("TELEMETRY_AUDIT_DAYS", "4")), events)


def measured(days: int, rows: int) -> Report:
    """Make a lake and audit it; SystemExit if something is found in it."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    with workplace() as folder:
        make = [sys.executable, "-m", "benchmarks.erase_lake", "make", str(folder)]
        done = subprocess.run(
            [*make, str(days), str(rows), "100"], check=True, stdout=subprocess.PIPE, text=True
        )
        made = json.loads(done.stdout.splitlines()[-1])
        where = ["--lake", str(folder / "lake"), "--state", str(folder / "state"), "--now", NOW]
        prepare("rollup", *where, "--quiet")
        seen = measure("audit", telemetry("audit", *where, "--quiet"), made["rows"], cores)
    text = f"{days} days, {made['rows']:,} rows.\n\n{table([seen])}"
    return Report("Audit", text, {"runs": as_json([seen])})


def main() -> int:
    """Measure what the words say."""
    parser = argparse.ArgumentParser(description="Audit a lake of many days.")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each day, about")
    words = parser.parse_args()
    report = measured(words.days, words.rows)
    print(f"## {report.title}\n\n{report.text}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
