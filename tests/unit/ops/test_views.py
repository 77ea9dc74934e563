"""DuckDB views over a snapshot: declared columns, no hidden day, nothing else in reach."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.storage import LocalStorage
from pipeline.ops.views import View, is_reading, open_views, visible

TODAY = date(2026, 11, 24)
COLUMNS = pa.schema(
    [
        ("event_date", pa.date32()),
        ("event_hour", pa.int8()),
        ("route", pa.string()),
        ("latency_ms", pa.float32()),
        ("features", pa.list_(pa.string())),
    ]
)


def part(folder: Path, day: date, table: pa.Table, name: str = "p") -> PartFile:
    path = f"event_date={day}/{name}.parquet"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / path)
    return PartFile(path, str(folder / path), day, table.num_rows, 1, 1)


def narrow(hour: int) -> pa.Table:
    """A file from before `latency_ms` and `features` were added."""
    return pa.table({"event_hour": pa.array([hour], pa.int8()), "route": ["/a"]})


@pytest.fixture
def files(tmp_path: Path) -> tuple[PartFile, ...]:
    wide = narrow(2).append_column("latency_ms", pa.array([1.5], pa.float32()))
    return (
        part(tmp_path, TODAY - timedelta(1), narrow(1)),
        part(tmp_path, TODAY, wide),
    )


@pytest.mark.parametrize("as_dataset", [False, True])
def test_a_view_has_exactly_the_declared_columns(
    tmp_path: Path, files: tuple[PartFile, ...], as_dataset: bool
) -> None:
    dataset = None
    if as_dataset:
        paths = [file.path for file in files]
        dataset = LocalStorage(tmp_path).dataset(paths, COLUMNS, "event_date")
    with open_views([View("uses", COLUMNS, "event_date", files, dataset)]) as database:
        described = {row[0]: row[1] for row in database.execute("DESCRIBE uses").fetchall()}
        rows = database.execute("SELECT * FROM uses ORDER BY event_date").fetchall()
    assert described == {
        "event_date": "DATE",
        "event_hour": "TINYINT",
        "route": "VARCHAR",
        "latency_ms": "FLOAT",
        "features": "VARCHAR[]",
    }
    assert rows == [
        (TODAY - timedelta(1), 1, "/a", None, None),
        (TODAY, 2, "/a", 1.5, None),
    ]


def test_a_list_of_the_log_is_a_list_of_a_schema(tmp_path: Path) -> None:
    """delta-rs calls its values `element`, pyarrow `item`; without this no session is sealed."""
    element = pa.list_(pa.field("element", pa.string()))
    columns = pa.schema([("event_date", pa.date32()), ("features", element)])
    files = (part(tmp_path, TODAY, pa.table({"features": [["a", "b"]]})),)
    with open_views([View("session", columns, "event_date", files)]) as database:
        assert database.execute("SELECT features FROM session").fetchall() == [(["a", "b"],)]


def test_a_table_that_was_never_written_is_an_empty_view() -> None:
    with open_views([View("uses", COLUMNS, "event_date", ())]) as database:
        assert database.execute("SELECT count(*), max(latency_ms) FROM uses").fetchall() == [
            (0, None)
        ]


@pytest.mark.parametrize(("age", "seen"), [(0, True), (88, True), (89, False), (90, False)])
def test_a_day_is_hidden_from_its_89th_on(age: int, seen: bool) -> None:
    file = PartFile("p", "p", TODAY - timedelta(days=age), 1, 1, 1)
    assert bool(visible([file], TODAY)) is seen


def test_nothing_but_the_files_of_the_snapshot_is_in_reach(
    tmp_path: Path, files: tuple[PartFile, ...]
) -> None:
    other = part(tmp_path, TODAY, narrow(3), "other")
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    with open_views([View("uses", COLUMNS, "event_date", files)]) as database:
        for query in (
            f"SELECT * FROM '{other.uri}'",
            f"SELECT * FROM read_text('{secret}')",
            f"SELECT * FROM read_parquet('{tmp_path}/event_date=*/*.parquet')",
            f"COPY uses TO '{tmp_path}/out.csv'",
            f"ATTACH '{tmp_path}/new.db'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
        ):
            with pytest.raises(duckdb.Error):
                database.execute(query)


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("SELECT 1", True),
        ("FROM uses", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("DESCRIBE uses", True),
        ("SUMMARIZE uses", True),
        ("EXPLAIN SELECT 1", True),
        ("EXPLAIN ANALYZE SELECT 1", True),
        ("EXPLAIN (FORMAT json) SELECT 1", True),
        ("SELECT 1; SELECT 2", False),
        ("COPY uses TO '{0}' (USE_TMP_FILE false)", False),
        ("EXPLAIN ANALYZE COPY uses TO '{0}' (USE_TMP_FILE false)", False),
        ("/* EXPLAIN */ EXPLAIN ANALYZE COPY uses TO '{0}' (USE_TMP_FILE false)", False),
        ("PREPARE x AS COPY uses TO '{0}'", False),
        ("CREATE TABLE t AS SELECT 1", False),
        ("DROP VIEW uses", False),
        ("SET threads = 1", False),
        ("CALL pragma_version()", False),
        ("", False),
    ],
)
def test_only_one_statement_that_reads_is_allowed(
    files: tuple[PartFile, ...], query: str, reads: bool
) -> None:
    """A file that may be read could be written over: the lock of the database allows it."""
    with open_views([View("uses", COLUMNS, "event_date", files)]) as database:
        assert is_reading(database, query.format(files[0].uri)) is reads
