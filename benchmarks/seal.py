"""Seal a day of generated requests, and one five times as large: speed, and memory that is bounded.

The day goes through the pipeline, which leaves the files of its slices. The larger day has the same
rows five times over, with other event tokens. Both get their final seal by the command that a
scheduler runs, on one core: rows are deduplicated, sorted and written as sealed files are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

from benchmarks.harness import Report, as_json, measure, prepare, table, telemetry, workplace

EVENT, DAY = "api_request", date(2026, 11, 10)
TIMES = 5
"""How many times as large the larger day is."""


def run(events: int, times: int) -> Report:
    """Seal both days once; `times` does not apply: a sealed day is left alone."""
    del times
    core = sorted(os.sched_getaffinity(0))[:1]
    measures = []
    with workplace() as folder:
        raw = folder / "in.ndjson"
        made = ["--event", EVENT, "--events", str(events), "--now", f"{DAY}T23:59:59Z", "--quiet"]
        prepare("generate", *made, "--out", str(raw))
        for size in (1, TIMES):
            place = folder / str(size)
            words = ["--lake", str(place / "lake"), "--state", str(place / "state"), "--quiet"]
            taken = ["--input", str(raw), "--event", EVENT, "--once", "--now", f"{DAY}T23:59:59Z"]
            prepare("run", *taken, *words)
            command = [sys.executable, "-m", "benchmarks.seal", str(place), str(size)]
            grown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows = json.loads(grown.stdout.splitlines()[-1])["rows"]
            seal = ["seal", "--date", str(DAY), "--now", f"{DAY + timedelta(days=12)}T00:00:00Z"]
            measures.append(measure(f"{size} x", telemetry(*seal, *words), rows, core))
    first, larger = measures
    text = (
        f"{table(measures)}\n\n{TIMES} times the rows take "
        f"{larger.cpu_seconds / first.cpu_seconds:.1f} times the processor time and "
        f"{larger.peak_mib / first.peak_mib:.1f} times the memory."
    )
    return Report("Sealing a day", text, {"runs": as_json(measures)})


def grow(place: Path, size: int) -> dict[str, int]:
    """Add the rows of the day again until there are `size` times as many; return how many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline.io.lake.lake import Lake
    from pipeline.io.package_data import load_schemas

    stored = load_schemas()[EVENT][-1].stored
    events = Lake(str(place / "lake"), state=place / "state").events(EVENT, stored)
    files = [file for file in events.snapshot().files if file.day == DAY]
    staging = events.staging()
    for copy in range(1, size):
        for file in files:
            rows = events.storage.read(file.path)
            rest = pc.utf8_slice_codeunits(rows["event_token"], 1)
            # No token begins with such a letter, so none of these is a duplicate.
            first = pa.scalar(chr(ord("f") + copy))
            tokens = pc.binary_join_element_wise(first, rest, "")
            at = rows.schema.get_field_index("event_token")
            staging.write(DAY, rows.set_column(at, rows.schema.field(at), tokens))
    events.rewrite([], staging, metadata={"job": "grow"})
    return {"rows": sum(file.rows for file in files) * size}


if __name__ == "__main__":
    print(json.dumps(grow(Path(sys.argv[1]), int(sys.argv[2]))))
