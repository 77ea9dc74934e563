"""Run benchmarks and print their reports as Markdown.

    python -m benchmarks.run [NAME...] [--full] [--events 1000000] [--times 3] [--json FILE]

Figures depend on the machine and on who else uses it: quote ratios of one run. Each benchmark runs
in a process of its own, so that one that fails, or is cut after an hour, leaves the others their
figures; the exit code is 1 then. The JSON is written after each.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BENCHMARKS = (
    "startup",
    "generator",
    "stages",
    "shapes",
    "formats",
    "registry",
    "file_to_lake",
    "workers",
    "kafka_to_lake",
    "store_requests",
)
"""What `make bench` runs. Modules of this folder with a function `run(events, times) -> Report`."""
LONG = (
    "demo",
    "flink_sql",
    "flink_pace",
    "kafka_freshness",
    "partitions",
    "growth",
    "seal",
    "erase",
    "rollup",
    "audit",
    "dashboard",
)
"""What `--full` runs as well."""
LONGEST_SECONDS = 3600


def main() -> int:
    """Run the benchmarks that were named, the usual ones, or all."""
    parser = argparse.ArgumentParser(description="Measure the README's claims.")
    known = (*BENCHMARKS, *LONG)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--full", action="store_true", help="all of them; takes hours")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--json", type=Path, help="also write the values to this file")
    words = parser.parse_args()
    unknown = set(words.names) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    names = words.names or (known if words.full else BENCHMARKS)
    values: dict[str, Any] = {"machine": machine()}
    print(f"Machine: {machine()}", flush=True)
    for name in names:
        values[name] = measured(name, words.events, words.times)
        if words.json:
            words.json.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    return 1 if any("failed" in values[name] for name in names) else 0


def measured(name: str, events: int, times: int) -> dict[str, Any]:
    """Run one benchmark in a process of its own, print its report, and return its values.

    Of a benchmark that failed they are `failed`, the last words of its error.
    """
    with tempfile.TemporaryDirectory(prefix="bench-values-") as folder:
        target = Path(folder) / "values.json"
        command = [sys.executable, "-m", "benchmarks.one", name, str(events), str(times)]
        try:
            done = subprocess.run(
                [*command, str(target)], stderr=subprocess.PIPE, text=True, timeout=LONGEST_SECONDS
            )
        except subprocess.TimeoutExpired:
            return _failed(name, f"cut after {LONGEST_SECONDS} s")
        if done.returncode != 0:
            return _failed(name, done.stderr.strip()[-1000:] or f"exit code {done.returncode}")
        found: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return found


def _failed(name: str, why: str) -> dict[str, Any]:
    print(f"\n## {name}\n\nNot measured, it failed: {why}", flush=True)
    return {"failed": why}


def machine() -> str:
    """Cores, processor architecture and Python of this machine, in one line."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
