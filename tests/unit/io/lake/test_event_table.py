"""Batches are stored exactly once, with their position, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pipeline.errors import (
    EnvironmentProblem,
    LakeError,
    PositionConflict,
    PositionForgotten,
    SliceExpired,
    TableGone,
)
from pipeline.events.model import CleanBatch, Drop
from pipeline.io.delta.known_tables import KnownTables
from pipeline.io.lake.commits import commits_of
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.staging import ABANDON_AFTER_SECONDS, MachineClock
from tests.unit.io.lakes import (
    DAYS,
    EVENT,
    SCHEMA,
    app_id,
    batch,
    expected,
    files_of,
    globbed,
    logged,
    meddled,
    passed_over,
    span,
    table_of,
)


def test_opening_and_reading_a_lake_creates_nothing(lake: Lake, tmp_path: Path) -> None:
    table = table_of(lake)
    assert table.position(app_id()) is None
    assert table.snapshot().files == ()
    assert table.history() == ()
    assert list(tmp_path.iterdir()) == []


def test_a_commit_writes_one_file_for_each_day_and_moves_the_position(lake: Lake) -> None:
    table = table_of(lake)
    committed = table.commit(batch(0, 10))
    snapshot = table.snapshot()
    assert (committed.files, committed.rows) == (2, 10)
    assert table.position(app_id()) == 10
    assert [(file.day, file.rows) for file in snapshot.files] == [(DAYS[0], 5), (DAYS[1], 5)]
    assert list(snapshot.by_day()) == list(DAYS)
    assert (snapshot.version, snapshot.rows) == (committed.version, 10)
    assert snapshot.size == committed.bytes
    assert snapshot.size == sum(Path(file.uri).stat().st_size for file in snapshot.files)


def test_a_slice_that_was_committed_already_is_refused_and_leaves_nothing(
    lake: Lake, root: Path
) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    before = files_of(root)
    for again in (batch(0, 10), batch(0, 20), batch(5, 15), batch(11, 20)):
        with pytest.raises(PositionConflict):
            table.commit(again)
    assert files_of(root) == before
    assert globbed(root) == logged(lake) == expected(0, 10)


def test_two_sessions_on_one_source_store_each_event_once(lake: Lake, root: Path) -> None:
    first, second = table_of(lake), table_of(Lake(str(root)))
    first.commit(batch(0, 10))
    with pytest.raises(PositionConflict):
        second.commit(batch(0, 7))
    second.commit(batch(10, 25))
    with pytest.raises(PositionConflict):
        first.commit(batch(10, 12))
    assert globbed(root) == logged(lake) == expected(0, 25)


def test_a_commit_between_the_comparison_and_ours_is_found(lake: Lake, root: Path) -> None:
    other = table_of(Lake(str(root)))
    table_of(lake).commit(batch(0, 10))
    table = meddled(table_of(lake), lambda: other.commit(batch(10, 15)))
    with pytest.raises(PositionConflict):
        table.commit(batch(10, 20))
    assert globbed(root) == logged(lake) == expected(0, 15)


def test_commits_of_other_sources_in_between_do_not_disturb(lake: Lake, root: Path) -> None:
    other = table_of(Lake(str(root)))
    table_of(lake).commit(batch(0, 10))
    meddled(table_of(lake), lambda: other.commit(batch(0, 6, "xyz"))).commit(batch(10, 20))
    assert logged(lake) == sorted(expected(0, 20) + expected(0, 6, "xyz"))
    assert table_of(lake).position(app_id("xyz")) == 6


def test_without_our_comparison_a_replay_would_double_events(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the tests above can fail: delta-rs alone accepts a lower version."""
    monkeypatch.setattr(EventTable, "_position_in", lambda self, table, app: None)
    table = table_of(lake)
    table.commit(batch(0, 10))
    table.commit(batch(0, 10))
    assert logged(lake) == sorted(expected(0, 10) * 2)


def test_a_batch_without_rows_moves_the_position(lake: Lake) -> None:
    table = table_of(lake)
    committed = table.commit(batch(0, 3, rejected=(0, 1, 2)))
    assert (committed.files, committed.rows) == (0, 0)
    assert table.position(app_id()) == 3


def test_a_source_may_begin_anywhere_but_not_change_its_mind(lake: Lake) -> None:
    table = table_of(lake)
    table.commit(batch(500, 510))
    assert table.position(app_id()) == 510
    with pytest.raises(PositionConflict):
        table.commit(batch(0, 500))


def test_a_gap_is_recorded_in_the_log(lake: Lake) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    with pytest.raises(PositionConflict):
        table.commit(passed_over(5, 90))
    table.commit(passed_over(10, 90), metadata={"gap": 80})
    assert table.position(app_id()) == 90
    last = table.history()[-1].account
    assert (last["app_id"], last["start"], last["stop"], last["gap"]) == (app_id(), 10, 90, 80)
    assert globbed(Path(lake.root)) == expected(0, 10)


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
def test_a_slice_that_waited_too_long_is_thrown_away(root: Path, clock: str) -> None:
    now = {"wall": 1e9, "monotonic": 5.0}
    lake = Lake(str(root), clock=MachineClock(lambda: now["wall"], lambda: now["monotonic"]))
    table = table_of(lake)
    staging = table.stage(batch(0, 10))
    now[clock] += ABANDON_AFTER_SECONDS + 1
    with pytest.raises(SliceExpired):
        table.publish(staging, batch(0, 10))
    assert files_of(root) == []
    assert table.position(app_id()) is None
    table.commit(batch(0, 10))
    assert logged(lake) == expected(0, 10)


def test_staged_files_are_hidden_from_a_plain_glob(lake: Lake, root: Path) -> None:
    staging = table_of(lake).stage(batch(0, 10))
    assert globbed(root) == []
    assert len(files_of(root)) == 2
    assert all(Path(name).name.startswith(".part-") for name in files_of(root))
    staging.discard()
    assert files_of(root) == []


def test_a_table_removed_under_a_running_pipeline_is_told(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    (root / "events" / EVENT).rename(root / "away")
    with pytest.raises(TableGone):
        table.position(app_id())
    with pytest.raises(TableGone):
        table.commit(batch(10, 20))
    assert files_of(root / "events") == []


def test_no_source_begins_a_removed_table_again_whoever_asks(lake: Lake, root: Path) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10, rejected=(3,)))
    root.rename(root.with_name("away"))
    for asked in (table, table_of(Lake(str(root), state=root.parent / "state"))):
        with pytest.raises(TableGone):
            asked.commit(batch(0, 10, "another-file"))
    assert not (root / "events" / EVENT / "_delta_log").exists()


def test_without_a_state_folder_a_process_misses_the_positions_it_has_seen(root: Path) -> None:
    table = table_of(Lake(str(root)))
    table.commit(batch(0, 10))
    root.rename(root.with_name("away"))
    with pytest.raises(PositionForgotten):
        table.commit(batch(10, 20))
    assert files_of(root / "events") == []


def test_a_table_is_noted_before_its_first_rows_are_reported(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(known: KnownTables, uri: str) -> None:
        del known
        raise EnvironmentProblem("The disk is full", where=uri)

    with monkeypatch.context() as patch:
        patch.setattr(KnownTables, "note", full)
        with pytest.raises(EnvironmentProblem):
            table_of(lake).commit(batch(0, 10))
    assert logged(lake) == []
    assert files_of(root) == []
    table_of(lake).commit(batch(0, 10))
    assert logged(lake) == expected(0, 10)


def test_a_lost_log_is_not_begun_anew_beside_the_files(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 10))
    (root / "events" / EVENT / "_delta_log").rename(root / "away")
    with pytest.raises(LakeError, match="log is gone"):
        table_of(Lake(str(root))).commit(batch(0, 10))
    assert Lake(str(root)).recover() == 0
    assert globbed(root) == expected(0, 10)


def test_the_log_accounts_for_every_message(lake: Lake) -> None:
    table = table_of(lake)
    dropped = replace(
        batch(0, 10, rejected=(3, 4)), read=15, dropped={Drop.OPT_OUT: 4, Drop.SIGNAL: 1}
    )
    table.commit(dropped, metadata={"run": "r1"})
    table.commit(batch(10, 12))
    accounts = [record.account for record in table.history() if record.account]
    assert accounts == [
        {
            "run": "r1",
            "app_id": app_id(),
            "start": 0,
            "stop": 10,
            "read": 15,
            "written": 8,
            "rejected": {"not_json": 2},
            "dropped": {"opt_out": 4, "signal": 1},
            "nulled": {},
            "files": 2,
        },
        {
            "app_id": app_id(),
            "start": 10,
            "stop": 12,
            "read": 2,
            "written": 2,
            "rejected": {},
            "dropped": {},
            "nulled": {},
            "files": 2,
        },
    ]


def test_the_log_holds_row_counts_and_no_values(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 10))
    log = root / "events" / EVENT / "_delta_log"
    stats = [
        json.loads(line)["add"]["stats"]
        for path in sorted(log.glob("*.json"))
        for line in path.read_text().splitlines()
        if "add" in json.loads(line)
    ]
    assert stats == ['{"numRecords":5}', '{"numRecords":5}']
    assert not any(b"abc-" in path.read_bytes() for path in log.iterdir())
    table = DeltaTable(str(log.parent))
    table.create_checkpoint()
    assert not any(b"abc-" in path.read_bytes() for path in log.iterdir())


def test_files_have_no_partition_column_no_token_statistics_and_keep_their_comments(
    lake: Lake,
) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    file = pq.ParquetFile(table.snapshot().files[0].uri)
    assert file.schema_arrow.names == ["event_hour", "subject"]
    assert file.schema_arrow.field("subject").metadata[b"sensitivity"] == b"identifying"
    assert file.schema_arrow.field("event_hour").metadata[b"unit"] == b"hour"
    group = file.metadata.row_group(0)
    statistics = {
        group.column(index).path_in_schema: group.column(index).statistics
        for index in range(group.num_columns)
    }
    assert statistics["subject"] is None
    assert statistics["event_hour"].min == 0 or statistics["event_hour"].min == 1
    assert group.column(0).compression == "ZSTD"


def test_everybody_reads_the_same_rows_and_types(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 10))
    pattern = f"{root}/events/{EVENT}/event_date=*/*.parquet"
    columns = "event_date, event_hour, subject"
    with duckdb.connect() as connection:
        query = f"select {columns} from '{pattern}' order by subject"
        by_duckdb = connection.execute(query).fetchall()
    folder = str(root / "events" / EVENT)
    hive = ds.partitioning(pa.schema([SCHEMA.field("event_date")]), flavor="hive")
    by_pyarrow = ds.dataset(folder, partitioning=hive, exclude_invalid_files=True).to_table()
    by_polars = pl.read_parquet(pattern, hive_partitioning=True, try_parse_hive_dates=True)
    names = columns.split(", ")
    assert by_pyarrow.select(names).sort_by("subject").to_pylist() == [
        dict(zip(names, row, strict=True)) for row in by_duckdb
    ]
    assert by_polars.select(names).sort("subject").rows() == by_duckdb
    assert by_pyarrow.schema.field("event_date").type == pa.date32()
    assert by_pyarrow.schema.field("event_hour").type == pa.int8()


def test_new_columns_are_added_and_older_writers_go_on(lake: Lake, root: Path) -> None:
    old = table_of(lake)
    old.commit(batch(0, 4))
    wide = pa.schema([*SCHEMA, pa.field("plan", pa.string(), metadata={"since": "2"})])
    rows = batch(4, 8).rows.append_column(wide.field("plan"), pa.array(["pro"] * 4))
    new = lake.events(EVENT, wide)
    new.commit(replace(batch(4, 8), rows=pa.RecordBatch.from_arrays(rows.columns, schema=wide)))
    old.commit(batch(8, 10))
    stored = lake.stored(EVENT)
    assert stored.log.schema.names == wide.names
    assert stored.log.schema.field("plan").metadata == {b"since": b"2"}
    found = DeltaTable(stored.log.uri).to_pyarrow_table()
    assert found["plan"].to_pylist().count("pro") == 4
    assert found.num_rows == 10


def test_a_column_never_changes_its_type(lake: Lake, root: Path) -> None:
    table_of(lake).commit(batch(0, 4))
    other = SCHEMA.set(1, pa.field("event_hour", pa.string(), nullable=False))
    rows = batch(4, 8).rows
    columns = [rows.column(0), rows.column(1).cast(pa.string()), rows.column(2)]
    changed = replace(batch(4, 8), rows=pa.RecordBatch.from_arrays(columns, schema=other))
    with pytest.raises(LakeError, match="another type"):
        lake.events(EVENT, other).commit(changed)
    assert globbed(root) == logged(lake) == expected(0, 4)


def test_a_batch_of_another_schema_is_refused(lake: Lake, root: Path) -> None:
    rows = batch(0, 4).rows.select(["event_date", "subject"])
    with pytest.raises(LakeError, match="columns of its table"):
        table_of(lake).commit(replace(batch(0, 4), rows=rows))
    assert not root.exists()


def test_a_commit_that_failed_after_it_was_made_counts(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may answer with an error and have taken the commit all the same."""
    _commit_then(monkeypatch, OSError("Generic error: alice@example.com timed out"))
    committed = table_of(lake).commit(batch(0, 10))
    assert committed.rows == 10
    assert globbed(root) == logged(lake) == expected(0, 10)


def test_a_log_that_is_cleaned_while_it_is_read_is_read_again(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """delta-rs opens the entries that it loaded again when it is asked for a version."""
    table = table_of(lake)
    log = root / "events" / "api_request" / "_delta_log"
    table.commit(batch(0, 10))
    asked = DeltaTable.transaction_version
    cleanings = 0

    def clean_and_ask(self: DeltaTable, app_id: str) -> int | None:
        nonlocal cleanings
        if cleanings % 2 == 0:
            old = list(log.glob("*[0-9].json")) + list(log.glob("*.checkpoint.parquet"))
            table.log.commit(table.log.ensure(), [], {"other": cleanings + 1}, {})
            table.log.shorten()
            for path in old:
                path.unlink(missing_ok=True)
        cleanings += 1
        return asked(self, app_id)

    monkeypatch.setattr(DeltaTable, "transaction_version", clean_and_ask)
    assert table.position(app_id()) == 10
    table.commit(batch(10, 20))
    assert logged(lake) == expected(0, 20)
    assert cleanings >= 4


def test_a_log_that_is_cleaned_meanwhile_changes_nothing(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may clean the log away under a commit, before it is made or just after."""
    table = table_of(lake)
    _commit_then(monkeypatch, FileNotFoundError("_delta_log/1.json"))
    table.commit(batch(0, 10))
    table.rewrite(table.snapshot().files, metadata={"job": "test"})
    assert logged(lake) == []
    table.commit(batch(10, 20))
    original = DeltaTable.create_write_transaction
    failures = [FileNotFoundError("_delta_log/2.json")]

    def commit(self: DeltaTable, *args: Any, **options: Any) -> None:
        if failures:
            raise failures.pop()
        original(self, *args, **options)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit)
    table.commit(batch(20, 30))
    assert failures == []
    assert logged(lake) == expected(10, 30)
    table.vacuum()
    assert globbed(root) == expected(10, 30)


def test_a_commit_that_failed_removes_its_files_and_says_nothing_of_the_library(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    before = files_of(root)
    _instead_of_commit(monkeypatch, OSError("Generic error: alice@example.com (os error 28)"))
    with pytest.raises(EnvironmentProblem) as caught:
        table.commit(batch(10, 20))
    assert "no space left" in str(caught.value)
    assert "alice" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert files_of(root) == before
    monkeypatch.undo()
    table.commit(batch(10, 20))
    assert logged(lake) == expected(0, 20)


def test_an_interrupt_just_after_a_commit_removes_nothing(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _commit_then(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        table_of(lake).commit(batch(0, 10))
    lake.close()
    monkeypatch.undo()
    assert Lake(str(root), state=root.parent / "state").recover() == 0
    assert globbed(root) == logged(lake) == expected(0, 10)


def test_an_interrupt_just_before_a_commit_is_cleaned_up_at_the_next_start(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _instead_of_commit(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        table_of(lake).commit(batch(0, 10))
    lake.close()
    monkeypatch.undo()
    again = Lake(str(root), state=root.parent / "state")
    assert again.recover() == 2
    table_of(again).commit(batch(0, 10))
    assert globbed(root) == logged(again) == expected(0, 10)


@pytest.mark.parametrize("content", [b"", b"garbage\n", b'{"add":{"pa\n', b"\x00" * 100])
def test_a_corrupt_log_is_told_and_nothing_is_written(
    lake: Lake, root: Path, content: bytes
) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    first = root / "events" / EVENT / "_delta_log" / f"{0:020d}.json"
    first.write_bytes(content)
    before = files_of(root)
    with pytest.raises(LakeError, match="log is damaged"):
        table.commit(batch(10, 20))
    with pytest.raises(LakeError):
        table.position(app_id())
    assert files_of(root) == before


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("x")
    with pytest.raises(EnvironmentProblem, match="not a directory"):
        table_of(Lake(str(tmp_path / "lake"))).commit(batch(0, 10))


def _commit_then(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    original: Callable[..., None] = DeltaTable.create_write_transaction

    def commit(self: DeltaTable, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        raise failure

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit)


def _instead_of_commit(monkeypatch: pytest.MonkeyPatch, failure: BaseException) -> None:
    def commit(self: DeltaTable, *args: Any, **options: Any) -> None:
        raise failure

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit)


def test_an_empty_batch_has_an_account_too(lake: Lake) -> None:
    empty = CleanBatch(span(0, 7), EVENT, 0, batch(0, 1).rows.slice(0, 0))
    table_of(lake).commit(empty)
    assert table_of(lake).history()[-1].account["read"] == 0
    assert table_of(lake).position(app_id()) == 7


def test_the_account_of_a_commit_is_of_its_runs_time(lake: Lake) -> None:
    table = table_of(lake)
    table.commit(batch(0, 3), metadata={"at_ms": 1_700_000_000_000})
    table.commit(batch(3, 6))
    _, (first, second) = commits_of(table.log, "session")
    assert first.at == datetime.fromtimestamp(1_700_000_000, UTC)
    assert second.at > datetime(2026, 1, 1, tzinfo=UTC)
