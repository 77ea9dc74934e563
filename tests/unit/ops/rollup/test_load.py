"""Days in memory: the wanted columns, each event once, tokens as numbers, texts as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from pipeline.ops.rollup import load as loading
from pipeline.ops.rollup.load import DayFiles, Held, load_rows
from pipeline.ops.rollup.registry import parse_registry
from pipeline.privacy.identity.epochs import EpochKind
from tests.lake_rows import EPOCH, day_files

DAY = date(2026, 11, 24)
SCHEMA = pa.schema(
    [
        ("event_date", pa.date32()),
        ("event_token", pa.string()),
        ("subject", pa.string()),
        ("plan", pa.string()),
        ("status", pa.int16()),
    ]
)
REGISTRY = parse_registry(
    {
        "populations": """
[events.api_request]
columns = ["subject", "plan", "status"]
[events.session]
columns = ["subject", "plan"]
[population.requests]
sentence = "Requests."
sql = "SELECT * FROM api_request"
"""
    },
    EPOCH,
    frozenset(),
)
SCHEMAS = {"api_request": SCHEMA, "session": SCHEMA}
ALICE, BOB = "a" * 32, "b" * 32


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def written(
    folder: Path,
    *rows: tuple[object, ...],
    day: date = DAY,
    event: str = "api_request",
    name: str = "p",
) -> DayFiles:
    """A file of rows (event token, subject, plan, status)."""
    columns = list(zip(*rows, strict=True)) or [()] * 4
    path = folder / event / f"event_date={day}" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = [field for field in SCHEMA if field.name != "event_date"]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
    pq.write_table(pa.table(arrays, schema=pa.schema(fields)), path)
    return day_files(event, day, [path], len(rows))


def loaded(connection: duckdb.DuckDBPyConnection, *files: DayFiles) -> Held:
    return load_rows(connection, REGISTRY, files, SCHEMAS, EpochKind.FOUR_WEEKS, None)


def rows_of(connection: duckdb.DuckDBPyConnection, columns: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {columns} FROM api_request ORDER BY ALL").fetchall()


def test_rows_have_their_day_week_and_period(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    loaded(connection, written(tmp_path, ("1", ALICE, "pro", 200)))
    assert rows_of(connection, "event_date, week, period, plan, status") == [
        (DAY, date(2026, 11, 23), date(2026, 11, 2), "pro", 200)
    ]


def test_an_account_is_one_number_everywhere_and_no_token_is_in_the_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    held = loaded(
        connection,
        written(tmp_path, ("1", ALICE, "pro", 1), ("2", BOB, "pro", 1), ("3", None, "pro", 1)),
        written(tmp_path, ("4", ALICE, "pro", 1), event="session"),
    )
    accounts = dict(
        zip(*(held.accounts[name].to_pylist() for name in ("token", "subject")), strict=True)
    )
    assert set(accounts) == {ALICE, BOB}
    subjects = [row[0] for row in rows_of(connection, "subject")]
    assert subjects == [*sorted(accounts.values()), None]
    assert connection.execute("SELECT subject FROM session").fetchall() == [(accounts[ALICE],)]
    assert ALICE not in repr(held)


def test_copies_of_an_event_are_left_out_and_counted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    files = [
        written(tmp_path, ("1", ALICE, "pro", 1), ("1", ALICE, "pro", 1), ("2", BOB, "pro", 1)),
        written(tmp_path, ("1", ALICE, "pro", 1), name="q"),
        written(tmp_path, ("1", ALICE, "pro", 1), day=date(2026, 11, 25)),
        written(tmp_path, (None, BOB, "free", 1), (None, BOB, "free", 1), name="sealed"),
    ]
    held = loaded(connection, *files)
    assert held.duplicates == {("api_request", DAY): 2}
    assert len(rows_of(connection, "plan")) == 5


@pytest.mark.parametrize(("few", "fewer"), [(5_000, 250), (5_000, 0), (0, 0)])
def test_texts_are_the_same_however_they_are_held(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    fewer: int,
) -> None:
    monkeypatch.setattr(loading, "FEW_VALUES", few)
    monkeypatch.setattr(loading, "FEWER_VALUES", fewer)
    plans = ["it's", "pro", None, '"x"', ""]
    loaded(
        connection, written(tmp_path, *((str(n), ALICE, plan, 1) for n, plan in enumerate(plans)))
    )
    found = [row[0] for row in rows_of(connection, "CAST(plan AS VARCHAR)")]
    assert sorted(found, key=repr) == sorted(plans, key=repr)


def test_what_columns_hold_anything_is_known(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    held = loaded(connection, written(tmp_path, ("1", ALICE, None, 200)))
    assert held.collected == {"api_request.subject", "api_request.status"}


def test_an_event_without_files_is_an_empty_table_of_its_types(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    held = loaded(connection)
    assert rows_of(connection, "plan, status, subject, week") == []
    kinds = dict(row[:2] for row in connection.execute("DESCRIBE api_request").fetchall())
    assert (kinds["status"], kinds["plan"], kinds["subject"]) == ("SMALLINT", "VARCHAR", "BIGINT")
    assert (held.collected, held.duplicates, held.accounts.num_rows) == (frozenset(), {}, 0)


def test_a_column_that_older_files_lack_is_null_there(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    old = tmp_path / "api_request" / f"event_date={DAY}" / "old.parquet"
    new = written(tmp_path, ("1", ALICE, "pro", 200))
    pq.write_table(pa.table({"event_token": ["2"], "subject": [BOB]}), old)
    loaded(connection, new, day_files("api_request", DAY, [old], 1))
    assert rows_of(connection, "plan, status") == [("pro", 200), (None, None)]


def test_rows_of_a_dataset_are_those_of_its_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Where DuckDB cannot open the files: they are fetched, and the store is let go."""
    file = written(tmp_path, ("1", ALICE, "pro", 200), ("1", ALICE, "pro", 200))

    def opened(event: str, uris: Sequence[str]) -> pads.Dataset:
        hive = pads.partitioning(pa.schema([SCHEMA.field("event_date")]), flavor="hive")
        return pads.dataset(list(uris), schema=SCHEMA, partitioning=hive)

    held = load_rows(connection, REGISTRY, [file], SCHEMAS, EPOCH, opened)
    assert rows_of(connection, "event_date, plan, status") == [(DAY, "pro", 200)]
    assert held.duplicates == {("api_request", DAY): 1}
    names = {row[0] for row in connection.execute("SHOW ALL TABLES").fetchall()}
    assert not any("fetched" in str(name) for name in names)
