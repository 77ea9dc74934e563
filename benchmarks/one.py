"""Run one benchmark in this process: print its report, write its values to a file.

    python -m benchmarks.one NAME EVENTS TIMES VALUES.json

Its whole cost stands among them: `cost` counts this process and all that it started and waited for.
"""

import importlib
import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str]) -> int:
    """Measure and write; `benchmarks.run` gives the words."""
    name, events, times, target = words
    began = time.perf_counter()
    report = importlib.import_module(f"benchmarks.{name}").run(int(events), int(times))
    spent = cost(time.perf_counter() - began)
    print(f"\n## {report.title}\n\n{report.text}\n\n{told(spent)}", flush=True)
    values = {**report.values, "report": report.text, "cost": spent}
    Path(target).write_text(json.dumps(values, indent=2) + "\n", "utf-8")
    return 0


def cost(wall_seconds: float) -> dict[str, float]:
    """CPU seconds and the largest process so far, of this process and its children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_seconds": round(sum(one.ru_utime + one.ru_stime for one in usages), 2),
        "wall_seconds": round(wall_seconds, 1),
        "peak_mib": round(max(one.ru_maxrss for one in usages) / 1024),
    }


def told(spent: dict[str, float]) -> str:
    """The cost in one line."""
    return (
        f"The benchmark with its input took {spent['cpu_seconds']:.0f} CPU-seconds and "
        f"{spent['wall_seconds']:.0f} s; its largest process {spent['peak_mib']:.0f} MiB."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
