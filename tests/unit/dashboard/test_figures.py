"""Every figure of the page against SQL of its own over the rows, and the gate recounted.

Nothing here uses the registry's SQL, the gate or the rollup's words: an analyst who read the page's
definitions would write these queries. What is compared is the data block inside the built page,
cell by cell, and each figure must be within the error that it states.
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
    "bytes_in": Figure("asked", "sum(4 ** (floor(log2(nullif(bytes_in, 0)))::INT // 2))"),
    "bytes_out": Figure("asked", "sum(4 ** (floor(log2(nullif(bytes_out, 0)))::INT // 2))"),
    "sessions": Figure("session"),
    "session_minutes": Figure("ended", "sum(duration_s) / 60"),
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
    "feature_adoption": Figure("adopted", PEOPLE, ALL_OF_THE_WEEK, people=True),
    "feature_depth": Figure("used", "count(*)", PEOPLE),
    "feature_breadth": Figure("breadth", PEOPLE, people=True),
    "feature_funnel": Figure("stepped"),
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
    "opt_out_rate": {(): 0.05},
    "rejected": {("not_json",): 20.0},
    "dropped": {("opt_out",): 50.0},
}
"""What the pipeline counted of itself: 1,000 messages read, 970 stored, 10 refused, 20 dropped. A
few are shown as fewer than 20, what was asked for as a step of the share of what was read."""
WORST = 5.5 / (2 + 1 / 12) ** 0.5
"""The noise at most, in standard deviations."""
WHOLE = {"lifecycle"}
"""Published only if no cell is hidden."""
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
    page = site(rolled_up(lake, 56, 80_000, 2500))["index.html"]
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
        for measure in ("value", "denominator", "under", "over", "p50", "p90", "p95", "p99")
        for cell in shown(cube, measure)
    }


def counted(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[Any, tuple[Any, ...]]:
    return {(w, tuple(k)): tuple(rest) for w, k, *rest in connection.execute(sql).fetchall()}


@pytest.mark.parametrize("metric", [name for name, one in FIGURES.items() if not one.quantile_of])
def test_every_number_on_the_page_is_within_its_error_of_a_query_over_the_rows(
    rows: duckdb.DuckDBPyConnection, tables: dict[str, Any], metric: str
) -> None:
    figure, compared = FIGURES[metric], 0
    for grain, cut, cube in cubes(tables, metric):
        source = cut_rows(rows, figure, grain, cut, all_shown(cube))
        below = figure.over or "NULL"
        expected = counted(
            rows, f"SELECT w, k, {figure.value}, {below} FROM {source} GROUP BY w, k"
        )

        def true(cell: Any, expected: dict[Any, tuple[Any, ...]] = expected) -> float:
            above, under = (float(part or 0) for part in expected[cell])
            return above / under if figure.over else above

        errors = shown(cube, "error")
        for cell, number in values(cube).items():
            # A ratio has two noises, and as many digits as they leave.
            widest = WORST * 2**0.5 * errors[cell] * 1.01
            rounding = 10 * errors[cell] if figure.over else 0.5
            assert abs(number - true(cell)) <= widest + min(rounding, 0.5), (cut, *cell)
            compared += 1
        for cell, limit in shown(cube, "under").items():
            assert true(cell) < limit, (cut, *cell)
            compared += 1
        for cell, limit in shown(cube, "over").items():
            assert true(cell) > limit, (cut, *cell)
            compared += 1
    assert compared


def values(cube: dict[str, Any]) -> dict[tuple[date, tuple[str, ...]], float]:
    """The value of each cell, as the page makes it."""
    if "numerator" not in cube:
        return shown(cube, "value")
    below = shown(cube, "denominator")
    return {cell: above / below[cell] for cell, above in shown(cube, "numerator").items()}


@pytest.mark.parametrize(
    "metric", [name for name, one in FIGURES.items() if not one.quantile_of and name not in WHOLE]
)
def test_no_cell_of_twenty_accounts_is_missing(
    rows: duckdb.DuckDBPyConnection, tables: dict[str, Any], metric: str
) -> None:
    """But for one that joins `(other)`, where the small cells are too few by themselves."""
    figure, named = FIGURES[metric], 0
    for grain, cut, cube in cubes(tables, metric):
        if not cut or "," in cut:
            continue
        cells = all_shown(cube)
        key = f"coalesce({cut}::VARCHAR, '(not reported)')"
        held: dict[Any, dict[str, dict[Any, int]]] = {}
        for w, k, subject, many in rows.execute(
            f"SELECT {WINDOWS[grain]}, {key}, subject, count(*) FROM {figure.rows} GROUP BY ALL"
        ).fetchall():
            held.setdefault(w, {}).setdefault(k, {})[subject] = many
        for w in {w for w, _ in cells}:
            small = [k for k, accounts in held[w].items() if not passes(accounts, figure)]
            missing = [k for k in held[w] if k not in small and (w, (k,)) not in cells]
            together: dict[Any, int] = {}
            for k in small:
                for subject, many in held[w][k].items():
                    together[subject] = together.get(subject, 0) + many
            assert not missing or not passes(together, figure), (cut, w, missing)
            named += len(held[w]) - len(small)
    assert named or not any(cut for _, cut, _ in cubes(tables, metric))


def passes(accounts: dict[Any, int], figure: Figure) -> bool:
    """Whether the gate would let a cell stand alone."""
    enough = len([one for one in accounts if one is not None]) >= LEAST
    return enough and (figure.people or max(accounts.values()) <= 0.8 * sum(accounts.values()))


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
                f"SELECT w, k, list({column} ORDER BY {column}) FILTER ({column} IS NOT NULL)"
                f" FROM {source} GROUP BY w, k",
            )
            errors = shown(cube, "error")
            for cell, number in shown(cube, measure).items():
                if OTHER not in cell[1]:
                    [held] = expected[cell]
                    off = 0.005 + WORST * errors[cell]
                    low, high = (
                        held[min(len(held) - 1, max(0, int((q + sign * off) * len(held))))]
                        for sign in (-1, 1)
                    )
                    assert len(held) >= 0.8 * (1000 if measure == "p99" else 100)
                    assert least_of(column, low) <= number <= most_of(column, high), (cut, *cell)
                    compared += 1
    assert compared


def least_of(column: str, stored: float) -> float:
    """Where the bucket of a stored value begins."""
    if column == "fps":
        return 0 if stored <= 15 else stored / 2
    return float(stored) if column == "duration_s" else stored / 2 ** (1 / 8) * 0.99


def most_of(column: str, stored: float) -> float:
    """Where it ends."""
    if column == "duration_s":
        return float(min((edge for edge in EDGES if edge > stored), default=2 * stored))
    return float(stored) if column == "fps" else stored * 2 ** (1 / 8) * 1.01


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
