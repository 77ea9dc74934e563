"""Run benchmarks and print their reports as Markdown.

    python -m benchmarks.run [NAME...] [--events 1000000] [--times 3] [--json FILE]

Figures depend on the machine and on who else uses it: quote ratios of one run.
"""

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path

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
    "flink_sql",
    "seal",
    "erase",
    "audit",
    "dashboard",
    "growth",
    "store_requests",
)
"""Modules of this folder with a function `run(events, times) -> Report`, in the order they run."""


def main() -> int:
    """Run the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(description="Measure the README's claims.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--json", type=Path, help="also write the values to this file")
    words = parser.parse_args()
    unknown = set(words.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}")
    values: dict[str, object] = {"machine": machine()}
    print(f"Machine: {machine()}")
    for name in words.names or BENCHMARKS:
        report = importlib.import_module(f"benchmarks.{name}").run(words.events, words.times)
        print(f"\n## {report.title}\n\n{report.text}", flush=True)
        values[name] = report.values
    if words.json:
        words.json.write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    return 0


def machine() -> str:
    """Cores, processor architecture and Python of this machine, in one line."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
