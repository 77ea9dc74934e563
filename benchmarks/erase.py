"""Erase accounts from a lake of many days, and compare with copying the same files.

One day of generated requests goes through the pipeline and its final seal; the other days are that
day again, with the tokens that its accounts have in their epochs. The accounts to be erased are
spread over all sizes, so every row group of every day holds some of them and every file has to be
rewritten. The command is the one that an operator runs. What it leaves is then looked at by code
that shares nothing with it (`benchmarks.erase_lake`). The bound is DuckDB: the least that a rewrite
can be is one statement that copies the same rows to zstd Parquet.

    python -m benchmarks.erase --days 90 --rows 1000000 --accounts 100
    python -m benchmarks.run erase --events 1000000        four days of a million
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.erase_lake import COPIED_DAYS
from benchmarks.harness import MIB, Report, as_json, measure, prepare, table, telemetry, workplace

NOW = "2026-11-12T03:00:00Z"
"""Two days after the newest day, which `erase_lake` seals from the future."""


def run(events: int, times: int) -> Report:
    """Erase from a new lake; `times` does not apply: a second erasure finds nothing."""
    del times
    return measured(int(os.environ.get("TELEMETRY_ERASE_DAYS", "4")), events, 100)


def measured(days: int, rows: int, accounts: int) -> Report:
    """Make a lake, erase from it and prove that nothing but the accounts' rows is gone."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    with workplace() as folder:
        made = _step(folder, "make", days, rows, accounts)
        people = json.loads((folder / "people.json").read_text("utf-8"))
        where = ["--lake", str(folder / "lake"), "--state", str(folder / "state"), "--now", NOW]
        copy = [sys.executable, "-m", "benchmarks.erase_lake", "copy", str(folder)]
        words = telemetry("erase", *where, "--quiet", *people)
        measures = [
            measure("count", words, made["rows"], cores),
            measure("copy by DuckDB", copy, made["rows"] // days * min(days, COPIED_DAYS), cores),
            measure("erase", [*words, "--apply"], made["rows"], cores),
        ]
        again = json.loads(prepare("erase", *where, "--json", *people))
        left = sum(again["rows"].values())
        checked = _step(folder, "check")
    problems = [*checked["problems"], *([f"{left} rows are still counted"] if left else [])]
    text = (
        f"{accounts} of {made['accounts']:,} accounts, {days} days of "
        f"{made['rows'] // days:,} rows: {checked['removed']:,} rows removed, "
        f"{checked['kept']:,} others equal to the last value. "
        f"Scanned for tokens: {checked['scanned'] / MIB:,.0f} MiB of files, pages and "
        f"dictionaries of {checked['days_scanned']} days and of the log. "
        + ("; ".join(problems) or "No problem was found.")
        + "\n\n"
        + table(measures, against="copy by DuckDB")
    )
    if problems:
        raise SystemExit(text)
    return Report("Erasure", text, {"erased": checked, "runs": as_json(measures)})


def _step(folder: Path, *words: object) -> dict[str, Any]:

    command = [sys.executable, "-m", "benchmarks.erase_lake", str(words[0]), str(folder)]
    done = subprocess.run(
        [*command, *map(str, words[1:])], check=True, stdout=subprocess.PIPE, text=True
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> int:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description="Erase accounts from a lake of many days.")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of each day, about")
    parser.add_argument("--accounts", type=int, default=100)
    words = parser.parse_args()
    report = measured(words.days, words.rows, words.accounts)
    print(f"## {report.title}\n\n{report.text}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
