"""How long `telemetry --help` takes and what its imports cost, and CPU seconds of short commands.

The commands are whole processes over a lake of 50 events: `status`, a query of a constant, and
the run that makes the lake, each time anew.
"""

import re
import subprocess
import sys
from pathlib import Path

from benchmarks.file_to_lake import removing
from benchmarks.harness import Measurement, Report, as_json, best_of, table, telemetry, workplace
from benchmarks.inputs import api_requests

SHOWN = 12
FEW = 50
"""Events of the run: too few to cost anything themselves."""


def run(events: int, times: int) -> Report:
    """Measure the help page, the imports behind it and the commands; `events` is not used."""
    del events
    empty = best_of(times + 2, "python -c pass", [sys.executable, "-c", "pass"], 1)
    help_page = best_of(times + 2, "telemetry --help", telemetry("--help"), 1)
    slowest = _imports()
    with workplace() as place:
        commands = _commands(place, times + 1)
    lines = [f"| {name} | {milliseconds:.1f} |" for name, milliseconds in slowest]
    text = (
        f"`telemetry --help`: {help_page.wall_seconds:.3f} s, {help_page.peak_mib:.0f} MiB "
        f"(an empty Python: {empty.wall_seconds:.3f} s, the probe included in both).\n\n"
        f"Whole commands, a run over {FEW} events:\n\n{table(list(commands.values()))}\n\n"
        "| import | ms with what it imports |\n| --- | ---: |\n" + "\n".join(lines)
    )
    spent = dict(zip(commands, as_json(list(commands.values())), strict=True))
    values: dict[str, object] = {
        "help_seconds": round(help_page.wall_seconds, 3),
        "python_seconds": round(empty.wall_seconds, 3),
        "commands": spent,
        "imports_ms": dict(slowest),
    }
    return Report("Start-up", text, values)


def _commands(place: Path, times: int) -> dict[str, Measurement]:
    """The least of several runs of each command, in turns by command."""
    source = api_requests(place, FEW)
    lake, state = place / "lake", place / "state"
    where = ["--lake", str(lake), "--state", str(state)]
    reading = telemetry("run", "--once", "--event", "api_request", "--input", str(source), *where)
    commands = {
        "run": [*removing(lake, state), *reading],
        "status": telemetry("status", *where),
        "sql": telemetry("sql", "select 1", *where),
    }
    return {
        name: best_of(times, f"telemetry {name}", command, FEW if name == "run" else 1)
        for name, command in commands.items()
    }


def _imports() -> list[tuple[str, float]]:
    words = ["-X", "importtime", "-c", "import pipeline.cli.main"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    found = re.findall(r"import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)", done.stderr)
    slowest = sorted(((int(us) / 1000, name) for us, name in found), reverse=True)[:SHOWN]
    return [(name, milliseconds) for milliseconds, name in slowest]
