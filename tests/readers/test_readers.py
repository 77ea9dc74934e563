"""Readers that share the tests' environment: DuckDB, pyarrow, Polars, pandas and deltalake."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet.encryption as encryption
import pytest
from deltalake import DeltaTable, QueryBuilder

from tests.readers.states import EVENT, QUERY, Answer, States, folder, truth

DAY = pa.schema([("event_date", pa.date32())])
PLAIN = ("plain", "sealed", "checkpoints", "mixed")
READERS: dict[str, Callable[[str], Any]] = {}
"""By name: from a table's folder to what DuckDB can ask."""


def reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    READERS[read.__name__] = read
    return read


@reader
def duckdb_glob(table: str) -> Any:
    return duckdb.sql(
        f"SELECT * FROM read_parquet('{table}/event_date=*/*.parquet', "
        "hive_partitioning = true, union_by_name = true)"
    )


@reader
def pyarrow_dataset(table: str) -> Any:
    return ds.dataset(table, partitioning=ds.partitioning(DAY, flavor="hive"))


@reader
def polars_scan_delta(table: str) -> Any:
    return pl.scan_delta(table).collect()


@reader
def polars_scan_parquet(table: str) -> Any:
    files = f"{table}/event_date=*/*.parquet"
    return pl.scan_parquet(files, hive_partitioning=True, missing_columns="insert").collect()


@reader
def pandas_folder(table: str) -> Any:
    return pd.read_parquet(table, partitioning=ds.partitioning(DAY, flavor="hive"))


@reader
def delta_dataset(table: str) -> Any:
    return DeltaTable(table).to_pyarrow_dataset()


@reader
def delta_query_builder(table: str) -> Any:
    asked = QueryBuilder().register("asked", DeltaTable(table)).execute("SELECT * FROM asked")
    return pa.table(asked.read_all())


def ask(rows: Any) -> Answer:
    found = duckdb.execute(QUERY.format("rows")).fetchall()
    return [[day.isoformat(), n, people, int(total)] for day, n, people, total in found]


@pytest.mark.parametrize("state", PLAIN)
@pytest.mark.parametrize("name", READERS)
def test_a_reader_finds_what_telemetry_sql_finds(states: States, name: str, state: str) -> None:
    it = states.of(state)
    found = ask(READERS[name](folder(it)))
    assert len(found) >= 3
    assert found == truth(it)


@pytest.mark.parametrize("name", READERS)
def test_a_reader_without_the_key_refuses_encrypted_files(states: States, name: str) -> None:
    with pytest.raises(Exception, match=r"(?i)encrypt|decrypt|magic|footer|parquet"):
        ask(READERS[name](folder(states.of("encrypted"))))


def keys(it: Any) -> dict[str, bytes]:
    found = sorted(Path(it.state / "keys").glob("data-*.key"))
    return {file.stem.removeprefix("data-"): file.read_bytes() for file in found}


def test_duckdb_reads_encrypted_files_with_the_key(states: States) -> None:
    it = states.of("encrypted")
    parts = []
    for epoch, key in keys(it).items():
        duckdb.execute(f"PRAGMA add_parquet_key('{epoch}', '{base64.b64encode(key).decode()}')")
        parts.append(
            f"SELECT event_date, subject, bytes_out FROM read_parquet("
            f"'{folder(it)}/event_date=*/*.{epoch}.parquet', hive_partitioning = true, "
            f"encryption_config = {{footer_key: '{epoch}'}})"
        )
    assert ask(duckdb.sql(" UNION ALL ".join(parts))) == truth(it)


def test_pyarrow_reads_encrypted_files_with_the_key(states: States) -> None:
    it = states.of("encrypted")
    parts = []
    for epoch, key in keys(it).items():
        files = [str(file) for file in Path(folder(it)).glob(f"event_date=*/*.{epoch}.parquet")]
        opening = encryption.create_decryption_properties(key)
        options = ds.ParquetFragmentScanOptions(decryption_properties=opening)
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        hive = ds.partitioning(DAY, flavor="hive")
        parts.append(ds.dataset(files, format=form, partitioning=hive))
    found = ds.dataset(parts)
    assert ask(found) == truth(it)
    assert pl.scan_pyarrow_dataset(found).select(pl.len()).collect().item() == found.count_rows()


# What goes wrong in silence: each is told in docs/analysis.md, and here until it ends.


@pytest.mark.parametrize("pattern", ["*/*.parquet", "**/*.parquet"])
def test_a_loose_pattern_counts_checkpoints_as_rows(states: States, pattern: str) -> None:
    it = states.of("checkpoints")
    table = folder(it)
    ((rows,),) = duckdb.execute(
        f"SELECT count(*) FROM read_parquet('{table}/{pattern}', union_by_name = true)"
    ).fetchall()
    assert rows > sum(day[1] for day in truth(it))


def test_pyarrow_reads_the_day_as_text_without_a_type_for_it(states: States) -> None:
    table = folder(states.of("plain"))
    found = ds.dataset(table, partitioning=ds.partitioning(flavor="hive"))
    assert found.schema.field("event_date").type == pa.string()
    assert pyarrow_dataset(table).schema.field("event_date").type == pa.date32()


def test_pandas_reads_the_day_as_a_category_without_a_type_for_it(states: States) -> None:
    table = folder(states.of("plain"))
    assert str(pd.read_parquet(table).dtypes["event_date"]) == "category"
    assert str(pandas_folder(table).dtypes["event_date"]) == "object"


def test_polars_loses_the_day_with_a_glob_alone(states: States) -> None:
    files = f"{folder(states.of('plain'))}/event_date=*/*.parquet"
    assert "event_date" not in pl.scan_parquet(files).collect_schema()


def test_delta_readers_give_the_declared_types(states: States) -> None:
    it = states.of("plain")
    sessions = str(it.lake / "events" / "session")
    assert pl.scan_delta(sessions).collect_schema()["event_date"] == pl.Date
    assert pl.scan_delta(sessions).collect_schema()["features"] == pl.List(pl.String)
    assert (
        DeltaTable(folder(it)).to_pyarrow_dataset().schema.field("event_date").type == pa.date32()
    )
    assert EVENT in folder(it)
