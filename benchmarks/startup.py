"""How long `telemetry --help` takes, and which imports the time goes to."""

import re
import subprocess
import sys

from benchmarks.harness import Report, best_of, telemetry

SHOWN = 12


def run(events: int, times: int) -> Report:
    """Measure the help page and profile the imports behind it; `events` is not used."""
    del events
    empty = best_of(times + 2, "python -c pass", [sys.executable, "-c", "pass"], 1)
    help_page = best_of(times + 2, "telemetry --help", telemetry("--help"), 1)
    slowest = _imports()
    lines = [f"| {name} | {milliseconds:.1f} |" for name, milliseconds in slowest]
    text = (
        f"`telemetry --help`: {help_page.wall_seconds:.3f} s, {help_page.peak_mib:.0f} MiB "
        f"(an empty Python: {empty.wall_seconds:.3f} s, the probe included in both).\n\n"
        "| import | ms with what it imports |\n| --- | ---: |\n" + "\n".join(lines)
    )
    values: dict[str, object] = {
        "help_seconds": round(help_page.wall_seconds, 3),
        "python_seconds": round(empty.wall_seconds, 3),
        "imports_ms": dict(slowest),
    }
    return Report("Start-up", text, values)


def _imports() -> list[tuple[str, float]]:
    words = ["-X", "importtime", "-c", "import pipeline.cli.main"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    found = re.findall(r"import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)", done.stderr)
    slowest = sorted(((int(us) / 1000, name) for us, name in found), reverse=True)[:SHOWN]
    return [(name, milliseconds) for milliseconds, name in slowest]
