"""The states of a lake that readers meet, each made by the pipeline itself.

`plain` has several files a day, `sealed` one, `checkpoints` a log that has passed its fiftieth
commit, `mixed` rows of two schema versions (a lake of 0.1 that 0.2 continued), and `encrypted`
files under their epoch's key.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.installation import Installation, restored, unpack

EVENT = "api_request"
COMMITS = 55
QUERY = (
    "SELECT event_date, count(*), count(DISTINCT subject), sum(bytes_out) FROM {} "
    "GROUP BY event_date ORDER BY event_date"
)
TODAY = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
"""Generated views hide days by the machine's date."""

Answer = list[list[Any]]


def truth(it: Installation) -> Answer:
    """What `telemetry sql` says: for each day rows, accounts and the sum of bytes."""
    query = QUERY.format(EVENT).replace("count(*),", "count(*) AS n,")
    query = query.replace("subject),", "subject) AS people,").replace(
        "bytes_out)", "bytes_out) AS b"
    )
    found = it.ask("sql", query)
    return [[day["event_date"], day["n"], day["people"], int(day["b"])] for day in found]


def folder(it: Installation) -> str:
    """Where the event's table lies."""
    return str(it.lake / "events" / EVENT)


def _fresh(place: Path, encryption: str) -> Installation:
    it = Installation.new(place, TODAY.isoformat(), (EVENT, "session"), encryption)
    for seed in ("1", "2"):
        for event, count in ((EVENT, "300"), ("session", "60")):
            file = str(place / "input" / event / f"{seed}.ndjson")
            it.ask(
                *("generate", "--event", event, "--events", count, "--days", "3"),
                *("--seed", seed, "--out", file),
            )
        it.ask("run", "--once")
    return it


def _copy(source: Installation, place: Path) -> Installation:
    shutil.copytree(source.folder, place)
    return Installation(place, source.now)


def _checkpoints(it: Installation) -> None:
    """Commit file by file until the log has a checkpoint."""
    inputs = it.folder / "input" / EVENT
    for number in range(COMMITS):
        line = {
            "event": EVENT,
            "version": 1,
            "event_id": f"one-{number}",
            "bytes_out": number,
            "occurred_at": (TODAY - timedelta(hours=number)).isoformat(),
            "account_id": f"acct_{number % 7}",
        }
        (inputs / f"one-{number}.ndjson").write_text(json.dumps(line) + "\n")
    it.ask("run", "--once")
    assert list(it.lake.glob(f"events/{EVENT}/_delta_log/*.checkpoint*.parquet"))


class States:
    """Makes every state once, when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.of: Callable[[str], Installation] = cache(self._make)

    def _make(self, name: str) -> Installation:
        place = self.root / name
        if name == "plain":
            return _fresh(place, "off")
        if name == "encrypted":
            return _fresh(place, "epoch")
        if name == "mixed":
            it = restored(unpack(self.root / "archive") / "plain", place)
            file = str(place / "input" / EVENT / "3.ndjson")
            it.ask("generate", "--event", EVENT, "--events", "90", "--seed", "3", "--out", file)
            it.ask("run", "--once")
            return it
        it = _copy(self.of("plain"), place)
        if name == "sealed":
            it.ask("seal", now=(TODAY + timedelta(hours=1)).isoformat())
        else:
            _checkpoints(it)
        return it
