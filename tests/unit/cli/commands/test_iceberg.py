"""`telemetry iceberg sync`: readers of Iceberg see what the lake names, and nothing older."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from pipeline.cli.commands.expire import GUARDS
from tests.unit.cli.commands.tiny import Tiny

LATER = "2027-02-19T12:00:00Z"
"""90 days after the first day of the tiny lake."""


def table_of(tiny: Tiny, event: str = "api_request") -> Table:
    """The table as any reader opens it."""
    folder = tiny.folder / "iceberg"
    catalog = SqlCatalog("telemetry", uri=f"sqlite:///{folder / 'catalog.db'}")
    try:
        return catalog.load_table(("telemetry", event))
    finally:
        catalog.close()


def reachable(table: Table) -> set[str]:
    """Every data file that any snapshot of a table names."""
    return {
        entry.data_file.file_path
        for snapshot in table.snapshots()
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def files_of(tiny: Tiny) -> set[str]:
    folder = tiny.lake / "events" / "api_request"
    return {str(path) for path in folder.glob("*/*.parquet")}


@pytest.fixture
def registered(tiny: Tiny) -> Tiny:
    tiny.write('[iceberg]\nfolder = "iceberg"\n')
    tiny.call("seal")
    tiny.call("iceberg", "sync")
    return tiny


def test_sealed_days_are_read_as_the_lake_has_them(registered: Tiny) -> None:
    query = "SELECT * FROM api_request WHERE event_date < '2026-11-24' ORDER BY ALL"
    told = registered.call("sql", query)
    rows = table_of(registered).scan().to_arrow().to_pylist()
    assert set(rows[0]) == set(told[0])
    found = sorted(tuple(str(row[name]) for name in told[0]) for row in rows)
    assert len(found) == len(told) > 0
    for name in ("event_date", "event_hour", "route", "status", "subject"):
        if name in told[0]:
            assert sorted(str(row[name]) for row in rows) == sorted(str(one[name]) for one in told)
    one_day = table_of(registered).scan(row_filter="event_date = '2026-11-22'").to_arrow()
    assert 0 < one_day.num_rows < len(rows)


def test_a_second_run_changes_nothing_and_open_days_are_not_there(registered: Tiny) -> None:
    again = registered.call("iceberg", "sync")["tables"]
    assert [(one["added"], one["removed"]) for one in again] == [(0, 0)] * len(again)
    days = table_of(registered).scan(selected_fields=("event_date",)).to_arrow()["event_date"]
    assert "2026-11-24" not in {str(day) for day in days.to_pylist()}


def test_what_was_erased_is_gone_from_every_snapshot_and_all_metadata(registered: Tiny) -> None:
    before = table_of(registered)
    old = {path.name for path in (registered.folder / "iceberg").rglob("metadata/*")}
    named, rows = reachable(before), before.scan().to_arrow().num_rows
    registered.call("erase", registered.account, "--apply")
    gone = named - files_of(registered)
    assert gone, "the erasure replaced no file"
    done = registered.call("iceberg", "sync")["tables"]
    assert sum(one["removed"] for one in done) >= len(gone)
    after = table_of(registered)
    assert len(after.snapshots()) == 1
    assert reachable(after) == files_of(registered) & reachable(after)
    assert not gone & reachable(after)
    left = sorted(path.name for path in (registered.folder / "iceberg").rglob("metadata/*"))
    kept = {path for path in left if path in old}
    assert not any(name.endswith(".json") or name.startswith("snap-") for name in kept)
    assert after.scan().to_arrow().num_rows < rows


def test_no_value_of_a_row_is_in_the_metadata(registered: Tiny) -> None:
    tokens = table_of(registered).scan(selected_fields=("subject",)).to_arrow()
    values = {value for value in tokens["subject"].to_pylist() if value}
    assert values
    metadata = b"".join(p.read_bytes() for p in (registered.folder / "iceberg").rglob("*.*"))
    assert not any(value.encode() in metadata for value in values)
    for snapshot in table_of(registered).snapshots():
        for manifest in snapshot.manifests(table_of(registered).io):
            for entry in manifest.fetch_manifest_entry(table_of(registered).io):
                assert not entry.data_file.lower_bounds
                assert not entry.data_file.upper_bounds


def test_expired_days_leave_the_table(registered: Tiny) -> None:
    plan = registered.call("expire", now=LATER)
    words = [word for guard in GUARDS for word in ("--acknowledge", guard)]
    registered.call("expire", "--apply", plan["hash"], *words, now=LATER)
    registered.call("iceberg", "sync", now=LATER)
    assert reachable(table_of(registered)) <= files_of(registered)
    days = table_of(registered).scan(selected_fields=("event_date",)).to_arrow()["event_date"]
    assert "2026-11-21" not in {str(day) for day in days.to_pylist()}


def test_encrypted_files_are_refused_with_the_reason(tiny: Tiny) -> None:
    tiny.write('[iceberg]\nfolder = "iceberg"\n')
    config = tiny.folder / "telemetry.toml"
    config.write_text(config.read_text().replace("[lake]\n", '[lake]\nencryption = "epoch"\n'))
    tiny.call("seal")
    told = tiny.refused("iceberg", "sync", code=3)
    assert "Encrypted files cannot be tables of Iceberg" in told
    assert "keys" in told


def test_without_a_folder_or_the_library_it_says_what_to_do(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "iceberg.folder" in tiny.refused("iceberg", "sync", code=3)
    tiny.write('[iceberg]\nfolder = "iceberg"\n')
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog.sql", None)
    assert "[iceberg]" in tiny.refused("iceberg", "sync", code=3)


def test_a_table_of_no_event_is_dropped(registered: Tiny) -> None:
    folder = registered.folder / "iceberg"
    catalog = SqlCatalog(
        "telemetry", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=folder.as_uri()
    )
    catalog.create_table(("telemetry", "gone"), table_of(registered).schema())
    catalog.close()
    registered.call("iceberg", "sync")
    assert list(Path(folder / "telemetry" / "gone").rglob("*.*")) == []
