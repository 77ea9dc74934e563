"""What the gate is given: each account's part of each cell, as a plain query finds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.errors import LakeError
from pipeline.events.schema import SUBJECT
from pipeline.ops.rollup.contributions import MISSING, labelled, load
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import contribution_sql, passes
from pipeline.privacy.figures.tally import START
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake

FIRST = date(2026, 10, 5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[DayFiles]:
    return write_lake(tmp_path_factory.mktemp("lake"), World(FIRST, 7, 4_000, accounts=90))


def test_what_the_gate_is_given_is_what_the_plain_query_gives(
    files: list[DayFiles],
) -> None:
    """Text loaded as numbers, and tables taken from a summary, against SQL over the files."""
    checked = {True: 0, False: 0}
    with (
        load(REGISTRY, files, SCHEMAS, EPOCH) as loaded,
        plain_rows(files) as connection,
    ):
        for task in passes(REGISTRY, (Window.DAY, Window.WEEK)):
            found = loaded.contributions(task)
            expected = connection.sql(contribution_sql(task)).to_arrow_table()
            assert in_order(found, task.by) == in_order(expected, task.by), task
            checked[task.rests_on_habits] += 1
    assert min(checked.values()) > 20


@contextmanager
def plain_rows(files: Sequence[DayFiles]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same populations over rows whose texts are texts."""
    with duckdb.connect() as connection:
        for event in SCHEMAS:
            uris = [uri for file in files if file.event == event for uri in file.uris]
            connection.execute(
                f"CREATE VIEW {event} AS SELECT * REPLACE ("
                "CASE WHEN subject IS NULL THEN NULL ELSE CAST(hash(subject) >> 1 AS BIGINT) END"
                f" AS subject), DATE '{FIRST}' AS period,"
                f" date_trunc('week', event_date)::DATE AS week FROM read_parquet({uris},"
                " hive_partitioning = true, hive_types = {'event_date': DATE})"
            )
        for population in REGISTRY.populations.values():
            connection.execute(f"CREATE VIEW {population.name} AS {population.sql}")
        yield connection


def in_order(table: pa.Table, by: Sequence[str]) -> list[tuple[object, ...]]:
    """Rows with what an account has in a cell added up, null dimensions named, sorted."""
    keys = [START, *by, SUBJECT]
    columns = [
        pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in (table[name] for name in keys)
    ]
    named = [
        pc.fill_null(column, MISSING) if name in by else column
        for name, column in zip(keys, columns, strict=True)
    ]
    whole = pa.table([*named, table["events"]], names=[*keys, "events"])
    sums = whole.group_by(keys).aggregate([("events", "sum")])
    rows = zip(*(sums[name].to_pylist() for name in [*keys, "events_sum"]), strict=True)
    return sorted(rows, key=repr)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["a", None, "b", None], ["a", MISSING, "b", MISSING]),
        ([MISSING, None], [MISSING, MISSING]),
        ([3, None], ["3", MISSING]),
        ([None], [MISSING]),
    ],
)
def test_what_is_not_reported_is_a_cell_of_its_own(
    column: list[object], expected: list[str]
) -> None:
    found = labelled(pa.array(column))
    assert found.to_pylist() == expected
    assert len(set(found.dictionary.to_pylist())) == len(found.dictionary)
    assert labelled(pa.array(column).dictionary_encode()).to_pylist() == expected


def test_memberships_are_those_of_accounts_once(files: list[DayFiles]) -> None:
    with load(REGISTRY, files[:4], SCHEMAS, EPOCH) as loaded:
        found = list(loaded.memberships("requests", ["plan", "region"]))
    assert len(found) == len(set(found)) > 0
    assert {dimension for _, dimension, _ in found} == {"plan", "region"}
    assert all(account is not None and value is not None for account, _, value in found)


def test_an_event_without_files_contributes_nothing() -> None:
    with load(REGISTRY, [], SCHEMAS, EPOCH) as loaded:
        task = passes(REGISTRY, (Window.DAY,))[0]
        assert loaded.contributions(task).num_rows == 0


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT * FROM nowhere", "CatalogException"),
        (
            "SELECT * REPLACE (CAST('alice' || region AS BIGINT) AS subject) FROM api_request",
            "ConversionException",
        ),
        ("SELEC * FROM session", "syntax error"),
    ],
)
def test_sql_that_fails_is_told_without_a_value(files: list[DayFiles], sql: str, why: str) -> None:
    one = next(iter(REGISTRY.populations))
    changed = {**REGISTRY.populations, one: replace(REGISTRY.populations[one], sql=sql)}
    registry = replace(REGISTRY, populations=changed)
    task = next(task for task in passes(registry, (Window.DAY,)) if task.population == one)
    with (
        pytest.raises(LakeError, match="could not be aggregated") as caught,
        load(registry, files, SCHEMAS, EPOCH) as loaded,
    ):
        loaded.contributions(task)
    assert why in caught.value.why
    assert "alice" not in str(caught.value)


def test_rows_that_do_not_fit_fail_without_a_folder_and_leave_nothing_with_one(
    files: list[DayFiles], tmp_path: Path
) -> None:
    with load(REGISTRY, files, SCHEMAS, EPOCH, spill=tmp_path / "spill") as loaded:
        assert loaded.held.accounts.num_rows > 0
    assert list((tmp_path / "spill").iterdir()) == []
