"""Every figure of the page against SQL of its own over the rows, and the gate recounted.

Nothing here uses the registry's SQL, the gate or the rollup's words: an analyst who read the page's
definitions would write these queries. What is compared is the data block inside the built page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dashboards import REGISTRY, rolled_up, site
from tests.lake_rows import EDGES, SCHEMAS

OTHER = "(other)"
LEAST = 20
WINDOWS = {"day": "event_date", "week": "monday(event_date)", "period": "key_period(event_date)"}
VIEWS = (Path(__file__).parent / "figures.sql").read_text("utf-8")


@dataclass(frozen=True)
class Figure:
    """Where a metric's rows are, and what is computed of them: a value, or one over another."""

    rows: str
    value: str = "count(*)"
    over: str = ""
    quantile_of: str = ""
    off: float = 1e-6
    """By how much a published figure may be off, because it is rounded."""
    people: bool = False
    """One row is one account, so that no account can have most of a cell."""


PEOPLE = "count(DISTINCT subject)"
ALL_OF_THE_WEEK = "(SELECT count(*) FROM person_weeks p WHERE p.event_date = w)"
FIGURES = {
    "requests": Figure("asked"),
    "active_day": Figure("person_days", PEOPLE, people=True),
    "active_week": Figure("person_days", PEOPLE, people=True),
    "active_period": Figure("person_days", PEOPLE, people=True),
    "stickiness": Figure("person_periods", "sum(n)", "28 * count(*)"),
    "activity_days": Figure("person_periods", PEOPLE, people=True),
    "lifecycle": Figure("moved", PEOPLE, people=True),
    "retention_week": Figure("earlier", "sum(came)", "count(*)"),
    "availability": Figure("asked", "count(*) FILTER (status < 500)", "count(*)"),
    "http_5xx_rate": Figure("asked", "count(*) FILTER (status > 499)", "count(*)"),
    "http_4xx_rate": Figure(
        "asked", "count(*) FILTER (status // 100 = 4 AND status != 429)", "count(*)"
    ),
    "throttled_rate": Figure("asked", "count(*) FILTER (status = 429)", "count(*)"),
    "latency": Figure("answered", quantile_of="latency_ms"),
    "latency_errors": Figure("refused", quantile_of="latency_ms"),
    "queue_time": Figure("answered", quantile_of="queue_ms"),
    "top_errors": Figure("refused"),
    "logged_errors": Figure("failed"),
    "bytes_in": Figure("asked", "sum(bytes_in)"),
    "bytes_out": Figure("asked", "sum(bytes_out)"),
    "sessions": Figure("session"),
    "session_minutes": Figure("ended", "sum(duration_s) / 60", off=0.006),
    "session_duration": Figure("ended", quantile_of="duration_s"),
    "concurrency": Figure("hourly"),
    "start_success": Figure("session", "count(time_to_first_frame_ms)", "count(*)"),
    "first_frame": Figure("session", quantile_of="time_to_first_frame_ms"),
    "freeze_ratio": Figure(
        "ended",
        "sum(freeze_ms) FILTER (duration_s > 0)",
        "1000.0 * sum(duration_s) FILTER (freeze_ms IS NOT NULL)",
    ),
    "abnormal_end_rate": Figure(
        "ended",
        "count(*) FILTER (end_reason IN ('network_lost', 'server_error'))",
        "count(end_reason)",
    ),
    "end_reasons": Figure("ended"),
    "frame_rate": Figure("session", quantile_of="fps"),
    "round_trip": Figure("session", quantile_of="rtt_ms"),
    "packet_loss": Figure("session", "sum(packet_loss)", "count(packet_loss)"),
    "feature_uses": Figure("used"),
    "feature_adoption": Figure("adopted", PEOPLE, ALL_OF_THE_WEEK, off=5e-5, people=True),
    "feature_depth": Figure("used", "count(*)", PEOPLE, off=0.05),
    "feature_breadth": Figure("breadth", PEOPLE, people=True),
    "adoption_funnel": Figure("stepped"),
    "accounts_by_country": Figure("asked", PEOPLE, people=True),
    "accounts_by_client": Figure("asked", PEOPLE, people=True),
    "accounts_by_sdk": Figure("asked", PEOPLE, people=True),
    "connections": Figure("session", PEOPLE, people=True),
    "referrers": Figure("asked"),
    "unknown_share": Figure("unknown", "sum(lost)", "count(*)"),
    "schema_mix": Figure("anything"),
}  # fmt: skip
COUNTED = {
    "completeness": {(): 1.0},
    "opt_out_rate": {(): 0.02},
    "rejected": {("not_json",): 10.0},
    "dropped": {("opt_out",): 20.0},
}
"""What the pipeline counted of itself: 1,000 messages read, 970 stored, 10 refused, 20 dropped."""
ABOUT_ITSELF = {"freshness", "late", "duplicate", "expiry_proof", "suppressed", *COUNTED}


def test_every_metric_of_the_registry_has_a_query_of_its_own() -> None:
    assert FIGURES.keys() | ABOUT_ITSELF == set(REGISTRY.metrics)
    assert not FIGURES.keys() & ABOUT_ITSELF


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def tables(lake: Path) -> dict[str, Any]:
    """The tables inside the built page, by `metric|grain|cut`."""
    page = site(rolled_up(lake, 56, 60_000, 900))["index.html"]
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    block: dict[str, Any] = json.loads(found[1])["tables"]
    return block


@pytest.fixture(scope="module")
def rows(lake: Path, tables: dict[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The lake's rows, and the analyst's own views of them."""
    with duckdb.connect() as connection:
        for event in SCHEMAS:
            glob = f"{lake}/events/{event}/event_date=*/*.parquet"
            connection.execute(
                f"CREATE TABLE {event} AS FROM read_parquet('{glob}',"
                " hive_partitioning = true, hive_types = {'event_date': DATE})"
            )
        connection.execute(VIEWS)
        yield connection


def cut_rows(
    connection: duckdb.DuckDBPyConnection,
    figure: Figure,
    grain: str,
    cut: str,
    cells: set[tuple[date, tuple[str, ...]]],
) -> str:
    """The figure's rows with their window `w` and the cell `k` of the page that they belong to.

    A cell that the page does not name belongs to `(other)`.
    """
    connection.execute("CREATE OR REPLACE TABLE named (w DATE, k VARCHAR[])")
    named = [[w, list(k)] for w, k in cells if OTHER not in k]
    if named:
        connection.executemany("INSERT INTO named VALUES (?, ?)", named)
    names = [name for name in cut.split(",") if name]
    keys = ", ".join(f"coalesce({name}::VARCHAR, '(not reported)')" for name in names)
    other = f"{[OTHER] * len(names)}::VARCHAR[]"
    return f"""(
        SELECT s.* EXCLUDE (k), CASE WHEN n.w IS NULL THEN {other} ELSE s.k END AS k
        FROM (SELECT *, {WINDOWS[grain]} AS w, [{keys}]::VARCHAR[] AS k FROM {figure.rows}) s
        LEFT JOIN named n ON s.w = n.w AND s.k = n.k)"""


def cubes(tables: dict[str, Any], metric: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, cube in tables.items():
        found, grain, cut = name.split("|")
        if found == metric:
            yield grain, cut, cube


def shown(cube: dict[str, Any], measure: str) -> dict[tuple[date, tuple[str, ...]], float]:
    """The cells that a table shows of a measure."""
    return {
        (date(1970, 1, 1) + timedelta(days=day), tuple(key)): cube[measure][row][column]
        for row, key in enumerate(cube["keys"])
        for column, day in enumerate(cube["at"])
        if measure in cube and cube[measure][row][column] is not None
    }


def all_shown(cube: dict[str, Any]) -> set[tuple[date, tuple[str, ...]]]:
    """The cells of which a table shows anything."""
    return {
        cell
        for measure in ("value", "denominator", "p50", "p90", "p95", "p99")
        for cell in shown(cube, measure)
    }


def counted(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[Any, tuple[Any, ...]]:
    return {(w, tuple(k)): tuple(rest) for w, k, *rest in connection.execute(sql).fetchall()}


@pytest.mark.parametrize("metric", [name for name, one in FIGURES.items() if not one.quantile_of])
def test_every_number_on_the_page_is_that_of_a_query_over_the_rows(
    rows: duckdb.DuckDBPyConnection, tables: dict[str, Any], metric: str
) -> None:
    figure, compared = FIGURES[metric], 0
    for grain, cut, cube in cubes(tables, metric):
        source = cut_rows(rows, figure, grain, cut, all_shown(cube))
        below = figure.over or "NULL"
        expected = counted(
            rows, f"SELECT w, k, {figure.value}, {below} FROM {source} GROUP BY w, k"
        )
        off = (
            5.0 if "," in cut else figure.off * 1.001
        )  # Tables of two dimensions are rounded to 10.
        ratio = "numerator" in cube
        for measure, place in (("numerator", 0), ("denominator", 1)) if ratio else (("value", 0),):
            for cell, number in shown(cube, measure).items():
                above, under = (float(part or 0) for part in expected[cell])
                true = above / under if figure.over and not ratio else (above, under)[place]
                assert number == pytest.approx(true, rel=2e-6, abs=off), (cut, *cell)
                compared += 1
    assert compared


@pytest.mark.parametrize("metric", [name for name, one in FIGURES.items() if one.quantile_of])
def test_every_percentile_lies_in_the_bucket_of_the_rows_percentile(
    rows: duckdb.DuckDBPyConnection, tables: dict[str, Any], metric: str
) -> None:
    column, compared = FIGURES[metric].quantile_of, 0
    for grain, cut, cube in cubes(tables, metric):
        source = cut_rows(rows, FIGURES[metric], grain, cut, all_shown(cube))
        for measure in {"p50", "p90", "p95", "p99"} & set(cube):
            q = int(measure[1:]) / 100
            expected = counted(
                rows,
                f"SELECT w, k, quantile_disc({column}, {q} - 0.5 / 100), quantile_disc({column},"
                f" least(1, {q} + 0.5 / 100)), count({column}) FROM {source} GROUP BY w, k",
            )
            for cell, number in shown(cube, measure).items():
                if OTHER not in cell[1]:
                    low, high, many = expected[cell]
                    assert many >= (1000 if measure == "p99" else 100)
                    assert _least(column, low) <= number <= _most(column, high), (cut, *cell)
                    compared += 1
    assert compared


def _least(column: str, stored: float) -> float:
    """Where the bucket of a stored value begins."""
    if column == "fps":
        return 0 if stored <= 15 else stored / 2
    return float(stored) if column == "duration_s" else stored / 2 ** (1 / 8) * 0.999


def _most(column: str, stored: float) -> float:
    """Where it ends."""
    if column == "duration_s":
        return float(min((edge for edge in EDGES if edge > stored), default=2 * stored))
    return float(stored) if column == "fps" else stored * 2 ** (1 / 8) * 1.001


@pytest.mark.parametrize("metric", FIGURES)
def test_no_cell_on_the_page_has_fewer_than_twenty_accounts(
    rows: duckdb.DuckDBPyConnection, tables: dict[str, Any], metric: str
) -> None:
    """Named cells and `(other)`, recounted; nor has one account most of a cell's events."""
    figure = FIGURES[metric]
    for grain, cut, cube in cubes(tables, metric):
        cells = all_shown(cube)
        recounted = counted(
            rows,
            f"""
            WITH cells AS (
                SELECT w, k, subject, count(*) AS n
                FROM {cut_rows(rows, figure, grain, cut, cells)} GROUP BY ALL)
            SELECT w, k, count(DISTINCT subject), max(n) FILTER (subject IS NOT NULL), sum(n)
            FROM cells GROUP BY w, k""",
        )
        assert cells
        for w, k in cells:
            accounts, largest, events = recounted[w, k]
            assert accounts >= LEAST, (cut, w, k)
            assert figure.people or largest <= 0.8 * events, (cut, w, k)


@pytest.mark.parametrize("metric", COUNTED)
def test_what_the_pipeline_counts_of_itself_is_what_its_commits_say(
    tables: dict[str, Any], metric: str
) -> None:
    [(_, _, cube)] = list(cubes(tables, metric))
    numbers = {
        tuple(key): cube["value"][row][0]
        if "value" in cube
        else cube["numerator"][row][0] / cube["denominator"][row][0]
        for row, key in enumerate(cube["keys"])
    }
    assert numbers == COUNTED[metric]
