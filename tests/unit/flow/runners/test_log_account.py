"""The account of a run is what the lake's log has of it, each commit once, and of no other run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.events.model import CleanBatch, Drop
from pipeline.flow.ports import Ports
from pipeline.flow.runners.log_account import LogAccount
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_schemas
from tests.privacy_rows import anonymize
from tests.unit.flow.world import MemorySource, world

SCHEMA = load_schemas()["session"][-1].stored


def ports(root: Path) -> Ports:
    def lake() -> Lake:
        return Lake(str(root / "lake"))

    return world(MemorySource("m", "session", ()), lake=lake, run_id="ours").ports


def batch(topic: str, rows: int) -> CleanBatch:
    """Rows, of which each has a value that became null, and a message that was dropped."""
    clean = anonymize("session", [{"rtt_ms": -1.0}] * rows)
    span = replace(clean.span, topic=topic, start=0, stop=rows)
    return replace(clean, span=span, read=rows + 1, dropped={Drop.OPT_OUT: 1})


def commit(root: Path, topic: str, rows: int, run: str = "ours") -> None:
    table = Lake(str(root / "lake")).events("session", SCHEMA)
    table.commit(batch(topic, rows), metadata={"run": run})


def test_commits_of_this_run_are_added_up_once(tmp_path: Path) -> None:
    account = LogAccount(ports(tmp_path))
    account.begin()
    commit(tmp_path, "a", 3)
    assert account.read().read == 4
    commit(tmp_path, "b", 2)
    told = account.read()
    assert (told.read, told.written, told.files) == (7, 5, 2)
    assert dict(told.dropped) == {"opt_out": 2}
    assert dict(told.nulled) == {"rtt_ms.negative": 5}
    assert account.read() == told


def test_commits_of_other_runs_and_jobs_are_passed_over(tmp_path: Path) -> None:
    account = LogAccount(ports(tmp_path))
    account.begin()
    commit(tmp_path, "a", 3, run="theirs")
    table = Lake(str(tmp_path / "lake")).events("session", SCHEMA)
    table.rewrite(table.snapshot().files, metadata={"job": "expire"})
    assert account.read().read == 0


def test_what_was_there_before_the_run_is_not_counted(tmp_path: Path) -> None:
    commit(tmp_path, "a", 3)
    account = LogAccount(ports(tmp_path))
    account.begin()
    assert account.read().read == 0


def test_a_lake_that_was_never_written_has_an_empty_account(tmp_path: Path) -> None:
    account = LogAccount(ports(tmp_path))
    account.begin()
    assert account.read().read == 0
    assert list(tmp_path.iterdir()) == []
