"""Run the golden cases; as a program, write what comes out of them.

python -m tests.golden.runs
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from pipeline.flow.runners import embedded
from pipeline.flow.runners.signals import stop_on_signals
from pipeline.io.geo import CountryDatabase
from pipeline.privacy.policy import Policy
from tests.unit.flow.world import MemorySource, world

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/input.ndjson"))
POLICY = Policy(trusted_proxies=("10.0.0.0/8",), public_ranges=("198.18.0.0/15", "2001:db8::/32"))


def outcome(case: str) -> dict[str, str]:
    """What a run of the case stores and refuses, as the content of the case's files."""
    lines = tuple((FOLDER / case / "input.ndjson").read_bytes().splitlines())
    event = json.loads(lines[0])["event"]
    here = world(MemorySource("golden", event, lines), policy=POLICY, country=_country)
    with stop_on_signals() as stop:
        embedded.run_here(here.ports, stop)
    stored = [row for batch in here.lake.tables[event].batches for row in batch.rows.to_pylist()]
    refused: list[dict[str, object]] = [
        {"line": offset, "stage": stage.value, "reason": reason.value}
        for (_, offset), (stage, reason) in sorted(here.lake.refused.reasons.items())
    ]
    return {"clean.ndjson": _lines(stored), "rejected.ndjson": _lines(refused)}


def _country() -> object:
    return partial(_lookup, CountryDatabase(None))


def _lookup(database: CountryDatabase, network: str) -> str:
    return database.country(network)


def _lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write every case's outcome beside its input."""
    for case in CASES:
        for name, text in outcome(case).items():
            (FOLDER / case / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
