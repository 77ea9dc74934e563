"""Rollups over a lake that numpy made: against DuckDB queries of their own, and over time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.io.resources import load_metrics
from pipeline.io.rollups import RollupStore
from pipeline.ops.rollup import Report, RollupSettings, roll_up
from pipeline.ops.rollup_facts import Facts
from pipeline.ops.rollup_plan import plan
from pipeline.ops.rollup_query import MISSING, load
from pipeline.ops.rollup_registry import Window, parse_registry
from pipeline.ops.rollup_rows import DayFiles
from pipeline.ops.rollup_sql import contribution_sql, passes
from pipeline.ops.rollup_values import PUBLISHED
from pipeline.privacy.tally import START, SUBJECT
from tests.lake_rows import EPOCH, SCHEMAS, World, day_files, write_lake

FIRST = date(2026, 10, 5)
"""A Monday that begins a key period."""
DAYS = 35
NOON_AFTER = datetime(2026, 11, 9, 12, tzinfo=UTC)
REGISTRY = parse_registry(load_metrics(), EPOCH)


def publish(root: Path, files: Sequence[DayFiles], now: datetime = NOON_AFTER) -> Report:
    store = RollupStore(str(root))
    return roll_up(REGISTRY, files, SCHEMAS, store, Facts(), RollupSettings(), now, time.monotonic)


def read(root: Path, metric: str) -> pa.Table:
    return RollupStore(str(root)).read(metric, PUBLISHED)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DayFiles]]:
    root = tmp_path_factory.mktemp("lake")
    files = write_lake(root, World(FIRST, DAYS, 60_000, accounts=700))
    publish(root, files)
    return root, files


@pytest.fixture
def lake(made: tuple[Path, list[DayFiles]], tmp_path: Path) -> tuple[Path, list[DayFiles]]:
    """A copy that a test may change."""
    root = tmp_path / "lake"
    shutil.copytree(made[0], root)
    moved = [
        replace(file, uris=tuple(uri.replace(str(made[0]), str(root)) for uri in file.uris))
        for file in made[1]
    ]
    return root, moved


def rows_of(root: Path, sql: str) -> list[Any]:
    """An independent query over the rows, in the words of an analyst."""
    with duckdb.connect() as connection:
        for event in SCHEMAS:
            glob = f"{root}/events/{event}/event_date=*/*.parquet"
            connection.execute(
                f"CREATE VIEW {event} AS SELECT * FROM read_parquet('{glob}',"
                " hive_partitioning = true, hive_types = {'event_date': DATE})"
            )
        return connection.execute(sql).fetchall()


def total(root: Path, metric: str, grain: str = "day", column: str = "value") -> dict[date, float]:
    table = read(root, metric)
    table = table.filter(pc.and_(pc.equal(table["cut"], ""), pc.equal(table["grain"], grain)))
    return dict(zip(table["first_day"].to_pylist(), table[column].to_pylist(), strict=True))


REQUESTS = "api_request WHERE route <> '/healthz' AND device_class <> 'bot'"
INDEPENDENT = {
    "requests": f"SELECT event_date, count(*) FROM {REQUESTS} GROUP BY 1",
    "sessions": "SELECT event_date, count(*) FROM session GROUP BY 1",
    "bytes_out": f"SELECT event_date, sum(bytes_out) FROM {REQUESTS} GROUP BY 1",
    "http_5xx_rate": f"SELECT event_date, avg((status >= 500)::INT) FROM {REQUESTS} GROUP BY 1",
    "throttled_rate": f"SELECT event_date, avg((status = 429)::INT) FROM {REQUESTS} GROUP BY 1",
    "availability": f"SELECT event_date, avg((status < 500)::INT) FROM {REQUESTS} GROUP BY 1",
    "active_day": f"""
        SELECT event_date, count(DISTINCT subject) FROM (
            SELECT event_date, subject FROM {REQUESTS}
            UNION ALL SELECT event_date, subject FROM session
            UNION ALL SELECT event_date, subject FROM feature_use) GROUP BY 1""",
    "start_success": """
        SELECT event_date, count(time_to_first_frame_ms) / count(*) FROM session GROUP BY 1""",
    "feature_uses": """
        SELECT event_date, count(*) FROM feature_use WHERE action <> 'viewed' GROUP BY 1""",
    "packet_loss": "SELECT event_date, avg(packet_loss) FROM session GROUP BY 1",
    "session_minutes": "SELECT event_date, sum(duration_s) / 60 FROM session GROUP BY 1",
}


@pytest.mark.parametrize("metric", INDEPENDENT)
def test_every_daily_total_is_that_of_a_query_over_the_rows(
    made: tuple[Path, list[DayFiles]], metric: str
) -> None:
    expected = dict(rows_of(made[0], INDEPENDENT[metric]))
    found = total(made[0], metric)
    assert len(found) == DAYS
    assert found == pytest.approx(expected, abs=2e-3 if metric == "session_minutes" else 2e-6)


def test_weekly_people_are_counted_once_a_week(made: tuple[Path, list[DayFiles]]) -> None:
    sql = f"""
        SELECT date_trunc('week', event_date)::DATE, count(DISTINCT subject) FROM (
            SELECT event_date, subject FROM {REQUESTS}
            UNION ALL SELECT event_date, subject FROM session
            UNION ALL SELECT event_date, subject FROM feature_use) GROUP BY 1"""
    assert total(made[0], "active_week", "week") == dict(rows_of(made[0], sql))


def test_periods_are_key_periods_and_only_whole_ones(made: tuple[Path, list[DayFiles]]) -> None:
    sql = f"""
        SELECT count(DISTINCT subject) FROM (
            SELECT event_date, subject FROM {REQUESTS}
            UNION ALL SELECT event_date, subject FROM session
            UNION ALL SELECT event_date, subject FROM feature_use)
        WHERE event_date < DATE '{FIRST + timedelta(days=28)}'"""
    [(people,)] = rows_of(made[0], sql)
    assert total(made[0], "active_period", "period") == {FIRST: people}


def test_latency_quantiles_lie_within_half_a_bucket_of_the_rows(
    made: tuple[Path, list[DayFiles]],
) -> None:
    sql = f"""
        SELECT event_date, quantile_cont(latency_ms, 0.95) FROM {REQUESTS}
        AND status BETWEEN 200 AND 399 GROUP BY 1"""
    expected = dict(rows_of(made[0], sql))
    found = total(made[0], "latency", column="p95")
    assert found.keys() == expected.keys()
    for day, value in found.items():
        assert abs(np.log2(value / expected[day])) <= 1 / 4 + 0.01


def test_cells_and_other_add_up_to_the_total(made: tuple[Path, list[DayFiles]]) -> None:
    table = read(made[0], "requests")
    for cut in ("model", "country", "route", "plan"):
        cells = table.filter(pc.equal(table["cut"], cut))
        sums = cells.group_by("first_day").aggregate([("value", "sum")])
        found = dict(zip(sums["first_day"].to_pylist(), sums["value_sum"].to_pylist(), strict=True))
        assert found == total(made[0], "requests")


def test_no_published_cell_has_fewer_than_twenty_accounts(
    made: tuple[Path, list[DayFiles]],
) -> None:
    """By SQL of its own: a named cell's accounts, recounted; and the column, for every metric."""
    sql = f"""
        SELECT event_date, country, count(DISTINCT subject), max(n), sum(n) FROM (
            SELECT event_date, country, subject, count(*) AS n FROM {REQUESTS} GROUP BY ALL)
        GROUP BY ALL"""
    counted = {(row[0], row[1]): row[2:] for row in rows_of(made[0], sql)}
    table = read(made[0], "requests")
    named = table.filter(
        pc.and_(pc.equal(table["cut"], "country"), pc.not_equal(table["key1"], "(other)"))
    )
    assert named.num_rows
    for row in named.to_pylist():
        accounts, largest, events = counted[row["first_day"], row["key1"]]
        assert accounts == row["accounts"] >= 20
        assert largest <= 0.8 * events
    for metric in REGISTRY.metrics:
        accounts = read(made[0], metric)["accounts"].drop_null()
        assert not len(accounts) or pc.min(accounts).as_py() >= 20


def test_two_dimensions_are_rounded_to_ten(made: tuple[Path, list[DayFiles]]) -> None:
    table = read(made[0], "requests")
    pairs = table.filter(pc.match_substring(table["cut"], ","))
    assert pairs.num_rows
    assert {value % 10 for value in pairs["value"].to_pylist()} == {0.0}
    assert {value % 10 for value in pairs["accounts"].to_pylist()} == {0}


def test_no_token_is_published(made: tuple[Path, list[DayFiles]]) -> None:
    tokens = {row[0] for row in rows_of(made[0], "SELECT DISTINCT subject FROM session")}
    for metric in REGISTRY.metrics:
        table = read(made[0], metric)
        for name in ("key1", "key2"):
            assert not tokens & set(table[name].to_pylist())


def test_a_second_run_has_nothing_to_do(lake: tuple[Path, list[DayFiles]]) -> None:
    assert publish(*lake).windows == 0


def test_one_more_day_computes_that_day_only(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    shutil.rmtree(root / "rollups")
    last = FIRST + timedelta(days=DAYS - 1)
    publish(root, [file for file in files if file.day < last], NOON_AFTER - timedelta(days=1))
    report = publish(root, files)
    assert report.days == 2  # the day, and the Monday whose week it ends
    assert max(total(root, "requests")) == last


def test_an_open_day_is_not_published(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    shutil.rmtree(root / "rollups")
    publish(root, files, datetime(2026, 11, 9, 1, 59, tzinfo=UTC))
    assert max(total(root, "requests")) == FIRST + timedelta(days=DAYS - 2)
    publish(root, files, datetime(2026, 11, 9, 2, 0, tzinfo=UTC))
    assert max(total(root, "requests")) == FIRST + timedelta(days=DAYS - 1)


def rewritten(root: Path, files: list[DayFiles], day: date, keep: float) -> list[DayFiles]:
    """Erase a part of one day's accounts, as an erasure would: the files change, rows leave."""
    changed = []
    for file in files:
        if file.day == day:
            path = Path(file.uris[0])
            table = pq.read_table(path, partitioning=None)
            people = sorted(set(table["subject"].drop_null().to_pylist()))
            stay = pa.array(people[: int(len(people) * keep)], pa.string())
            pq.write_table(table.filter(pc.is_in(table["subject"], value_set=stay)), path)
            changed.append(day_files(file.event, day, [path], file.rows))
        else:
            changed.append(file)
    return changed


def test_an_erasure_changes_no_publication(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    before = {metric: read(root, metric) for metric in REGISTRY.metrics}
    report = publish(root, rewritten(root, files, FIRST + timedelta(days=9), 0.6))
    assert report.windows > 0
    assert report.published == 0
    for metric, table in before.items():
        if metric not in ("suppressed", "duplicate"):
            assert read(root, metric).equals(table), metric


def test_copies_of_an_event_count_once(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    before = total(root, "requests")
    shutil.rmtree(root / "rollups")
    file = next(file for file in files if file.event == "api_request")
    twice = replace(file, uris=(*file.uris, *file.uris[:1]))
    publish(root, [twice if other is file else other for other in files])
    assert total(root, "requests") == before
    copies = read(root, "duplicate").filter(
        pc.equal(read(root, "duplicate")["first_day"], file.day)
    )
    assert copies.filter(pc.equal(copies["key1"], "api_request"))["value"].to_pylist() == [
        file.rows
    ]


def test_publications_outlive_the_rows(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    before = total(root, "requests")
    publish(root, [file for file in files if file.day > FIRST + timedelta(days=20)])
    assert total(root, "requests") == before


def test_a_run_that_stops_half_way_is_run_again(
    lake: tuple[Path, list[DayFiles]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, files = lake
    before = {metric: read(root, metric) for metric in REGISTRY.metrics}
    shutil.rmtree(root / "rollups")
    written: list[str] = []

    def failing(self: RollupStore, metric: str, table: pa.Table, words: dict[str, str]) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(metric)
        original(self, metric, table, words)

    original = RollupStore.write
    monkeypatch.setattr(RollupStore, "write", failing)
    with pytest.raises(KeyboardInterrupt):
        publish(root, files)
    monkeypatch.undo()
    publish(root, files)
    for metric, table in before.items():
        assert (
            read(root, metric)
            .drop_columns(["published_at"])
            .equals(table.drop_columns(["published_at"]))
        ), metric


def test_what_the_gate_is_given_is_what_the_plain_query_gives(
    made: tuple[Path, list[DayFiles]],
) -> None:
    """Text loaded as numbers, and tables taken from a summary, against SQL over the files."""
    files = [file for file in made[1] if file.day < FIRST + timedelta(days=7)]
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


def test_a_changed_day_is_due_again(made: tuple[Path, list[DayFiles]]) -> None:
    root, files = made
    manifest = RollupStore(str(root)).manifest()
    assert plan(REGISTRY, files, manifest, EPOCH, NOON_AFTER) == []
    changed = [replace(file, digest="other") if file is files[0] else file for file in files]
    due = plan(REGISTRY, changed, manifest, EPOCH, NOON_AFTER)
    assert {start for _, starts in due for start in starts} == {FIRST}


def test_days_that_arrive_one_by_one_give_what_one_run_gives(
    lake: tuple[Path, list[DayFiles]],
) -> None:
    root, files = lake
    before = {metric: read(root, metric) for metric in REGISTRY.metrics}
    shutil.rmtree(root / "rollups")
    for number in (6, 13, 14, 20, 27, 30, DAYS - 1):
        last = FIRST + timedelta(days=number)
        noon = datetime(last.year, last.month, last.day, 12, tzinfo=UTC) + timedelta(days=1)
        publish(root, [file for file in files if file.day <= last], noon)
    for metric, table in before.items():
        if metric != "suppressed":
            found = read(root, metric).drop_columns(["published_at"])
            assert found.equals(table.drop_columns(["published_at"])), metric
