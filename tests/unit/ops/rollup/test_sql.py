"""One query for all tables of the same cells; every sum in it is an account's own."""

from __future__ import annotations

from collections import Counter
from datetime import date

import duckdb
import pytest

from pipeline.ops.rollup.registry import MetricKind, Window, parse_registry
from pipeline.ops.rollup.sql import (
    WINDOW_START,
    amount_names,
    contribution_sql,
    passes,
    summary_sql,
)
from pipeline.privacy.identity.epochs import EpochKind
from tests.dashboards import REGISTRY

POPULATIONS = """
habits = ["plan"]
[events.api_request]
columns = ["subject", "model", "plan", "status", "bytes_in", "latency_ms"]
[population.requests]
sentence = "Requests."
sql = "SELECT * FROM api_request"
"""


def metric(name: str, kind: str, extra: str = "", tables: str = 'day = [["plan"]]') -> str:
    return f"""
[{name}]
title = "T"
sentence = "S."
unit = "requests"
kind = "{kind}"
good = "up"
population = "requests"
{extra}
{tables}
"""


SMALL = parse_registry(
    {
        "populations": POPULATIONS,
        "overview": metric("visits", "count")
        + metric("bytes", "sum", 'measure = "sum(bytes_in)"')
        + metric(
            "bad",
            "ratio",
            'measure = "count_if(status >= 500)"\ndenominator = "count(*)"',
        )
        + metric("slow", "percentiles", 'measure = "latency_ms"\nquantiles = [50]'),
    },
    EpochKind.FOUR_WEEKS,
    frozenset(),
)


@pytest.fixture
def rows() -> duckdb.DuckDBPyConnection:
    """Two accounts and events without one; the second account has an unknown latency."""
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE requests AS SELECT DATE '2026-11-24' AS event_date,"
        " DATE '2026-11-23' AS week, DATE '2026-11-02' AS period, * FROM (VALUES"
        " (1, 'pro', 200, 10, 4.0), (1, 'pro', 500, 20, 4.0), (1, 'free', 200, 30, 8.0),"
        " (2, 'pro', 200, NULL, NULL), (NULL, 'pro', 503, 5, 2.0)"
        ") t(subject, plan, status, bytes_in, latency_ms)"
    )
    return connection


def test_tables_of_the_same_cells_are_one_query() -> None:
    together, apart = passes(SMALL, (Window.DAY,))
    assert [one.name for one in together.metrics] == ["visits", "bytes", "bad"]
    assert [one.name for one in apart.metrics] == ["slow"]
    assert amount_names(together) == ["bytes", "bad", "bad/of"]
    assert amount_names(apart) == []
    assert passes(SMALL, (Window.WEEK,)) == []


def test_each_account_has_what_it_added_to_each_cell(rows: duckdb.DuckDBPyConnection) -> None:
    task = passes(SMALL, (Window.DAY,))[0]
    found = rows.sql(contribution_sql(task))
    assert found.columns == ["start", "plan", "subject", "events", "bytes", "bad", "bad/of"]
    day = date(2026, 11, 24)
    assert sorted(found.fetchall(), key=repr) == sorted(
        [
            (day, "pro", 1, 2, 30.0, 1.0, 2.0),
            (day, "free", 1, 1, 30.0, 0.0, 1.0),
            (day, "pro", 2, 1, 0.0, 0.0, 1.0),
            (day, "pro", None, 1, 5.0, 1.0, 1.0),
        ],
        key=repr,
    )


def test_percentiles_are_counted_by_bucket_and_leave_out_what_is_not_known(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    task = passes(SMALL, (Window.DAY,))[1]
    found = rows.sql(contribution_sql(task))
    assert found.columns == ["start", "plan", "bucket", "subject", "events"]
    assert {row[2:] for row in found.fetchall()} == {(4.0, 1, 2), (8.0, 1, 1), (2.0, None, 1)}


def test_a_summary_adds_up_to_what_each_of_its_tables_asks(
    rows: duckdb.DuckDBPyConnection,
) -> None:
    (task, _) = passes(SMALL, (Window.DAY,))
    assert task.rests_on_habits
    assert set(WINDOW_START.values()) <= set(rows.sql(summary_sql([task])).columns)
    total = rows.execute(f"SELECT sum(events), sum(bytes) FROM ({summary_sql([task])})").fetchone()
    assert total == (5, 65.0)


def test_every_table_of_every_metric_is_in_one_pass() -> None:
    planned = Counter(
        (one.name, task.window, task.by)
        for task in passes(REGISTRY, tuple(Window))
        for one in task.metrics
    )
    wanted = {
        (one.name, window, by)
        for one in REGISTRY.metrics.values()
        if one.kind is not MetricKind.FACT
        for window, by in one.tables
    }
    assert set(planned) == wanted
    assert set(planned.values()) == {1}


def test_only_tables_of_habits_rest_on_a_summary() -> None:
    for task in passes(REGISTRY, tuple(Window)):
        assert task.rests_on_habits is (set(task.by) <= REGISTRY.habits)
