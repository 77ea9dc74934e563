"""Rollups over a lake that numpy made: against DuckDB queries of their own, and over time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
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

from pipeline.errors import PrivacyGateClosed
from pipeline.events.schema import withheld
from pipeline.io.lake.publications import RollupStore
from pipeline.io.package_data import load_metrics, load_schemas
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.pipeline_metrics import Facts
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.registry import parse_registry
from pipeline.ops.rollup.run import Contents, RollupReport, RollupSettings, roll_up
from tests.dashboards import SECRET
from tests.lake_rows import EPOCH, SCHEMAS, World, copied, day_files, write_lake

FIRST = date(2026, 10, 5)
"""A Monday that begins a key period."""
DAYS = 35
NOON_AFTER = datetime(2026, 11, 9, 12, tzinfo=UTC)
REGISTRY = parse_registry(load_metrics(), EPOCH, withheld(load_schemas()))


def publish(root: Path, files: Sequence[DayFiles], now: datetime = NOON_AFTER) -> RollupReport:
    store = RollupStore(str(root))
    contents = Contents(REGISTRY, files, SCHEMAS, Facts())
    return roll_up(contents, store, RollupSettings(SECRET), now, time.monotonic)


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
    return root, copied(*made, root)


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


def total(root: Path, metric: str, grain: str = "day", column: str = "value") -> dict[date, Any]:
    table = read(root, metric)
    table = table.filter(pc.and_(pc.equal(table["cut"], ""), pc.equal(table["grain"], grain)))
    return dict(zip(table["first_day"].to_pylist(), table[column].to_pylist(), strict=True))


REQUESTS = "api_request WHERE route <> '/healthz' AND device_class <> 'bot'"
INDEPENDENT = {
    "requests": f"SELECT event_date, count(*) FROM {REQUESTS} GROUP BY 1",
    "sessions": "SELECT event_date, count(*) FROM session GROUP BY 1",
    "bytes_out": f"""
        SELECT event_date, sum(4 ** (floor(log2(bytes_out))::INT // 2))
        FROM {REQUESTS} GROUP BY 1""",
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
    found, errors = total(made[0], metric), total(made[0], metric, column="error")
    limits = {
        day
        for name in ("under", "over")
        for day, limit in total(made[0], metric, column=name).items()
        if limit
    }
    assert len(found) == DAYS
    for day, value in found.items():
        if day in limits:
            assert value is None
            continue
        assert abs(value - float(expected[day])) <= 4.2 * errors[day] + 0.5 * (
            metric not in RATIOS
        ), day
        assert errors[day] < 0.5 * float(expected[day])
    if metric not in RATIOS:
        assert any(value != expected[day] for day, value in found.items())


RATIOS = {"http_5xx_rate", "throttled_rate", "availability", "start_success", "packet_loss"}


def test_limits_of_ratios_are_true(made: tuple[Path, list[DayFiles]]) -> None:
    limited = 0
    for metric in sorted(RATIOS):
        expected = dict(rows_of(made[0], INDEPENDENT[metric]))
        for day, limit in total(made[0], metric, column="under").items():
            assert limit is None or expected[day] < limit
            limited += limit is not None
        for day, limit in total(made[0], metric, column="over").items():
            assert limit is None or expected[day] > limit
            limited += limit is not None
    assert limited > 20


def test_weekly_people_are_counted_once_a_week(made: tuple[Path, list[DayFiles]]) -> None:
    sql = f"""
        SELECT date_trunc('week', event_date)::DATE, count(DISTINCT subject) FROM (
            SELECT event_date, subject FROM {REQUESTS}
            UNION ALL SELECT event_date, subject FROM session
            UNION ALL SELECT event_date, subject FROM feature_use) GROUP BY 1"""
    expected = dict(rows_of(made[0], sql))
    found = total(made[0], "active_week", "week")
    assert found.keys() == expected.keys()
    assert all(abs(found[week] - expected[week]) <= 5 for week in found)


def test_periods_are_key_periods_and_only_whole_ones(made: tuple[Path, list[DayFiles]]) -> None:
    sql = f"""
        SELECT count(DISTINCT subject) FROM (
            SELECT event_date, subject FROM {REQUESTS}
            UNION ALL SELECT event_date, subject FROM session
            UNION ALL SELECT event_date, subject FROM feature_use)
        WHERE event_date < DATE '{FIRST + timedelta(days=28)}'"""
    [(people,)] = rows_of(made[0], sql)
    found = total(made[0], "active_period", "period")
    assert found.keys() == {FIRST}
    assert abs(found[FIRST] - people) <= 5


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


def test_cells_and_other_add_up_to_the_total_within_their_noise(
    made: tuple[Path, list[DayFiles]],
) -> None:
    sql = f"SELECT date_trunc('week', event_date)::DATE, count(*) FROM {REQUESTS} GROUP BY 1"
    expected = dict(rows_of(made[0], sql))
    table = read(made[0], "requests")
    for cut in ("model", "country", "route", "plan"):
        cells = table.filter(pc.equal(table["cut"], cut))
        squares = cells.append_column("square", pc.power(cells["error"], 2))
        sums = squares.group_by("first_day").aggregate([("value", "sum"), ("square", "sum")])
        assert sums.num_rows == 5
        for row in sums.to_pylist():
            off = row["value_sum"] - expected[row["first_day"]]
            assert abs(off) <= 5 * row["square_sum"] ** 0.5, (cut, row["first_day"])


def test_no_published_cell_has_fewer_than_twenty_accounts(
    made: tuple[Path, list[DayFiles]],
) -> None:
    """By SQL of its own: a named cell's accounts, recounted; and the column, for every metric."""
    sql = f"""
        SELECT week, country, count(DISTINCT subject), max(n), sum(n) FROM (
            SELECT date_trunc('week', event_date)::DATE AS week, country, subject, count(*) AS n
            FROM {REQUESTS} GROUP BY ALL)
        GROUP BY ALL"""
    counted = {(row[0], row[1]): row[2:] for row in rows_of(made[0], sql)}
    table = read(made[0], "requests")
    named = table.filter(
        pc.and_(pc.equal(table["cut"], "country"), pc.not_equal(table["key1"], "(other)"))
    )
    assert named.num_rows
    for row in named.to_pylist():
        accounts, largest, events = counted[row["first_day"], row["key1"]]
        assert accounts >= 20
        assert accounts - 25 <= row["accounts"] <= accounts + 5
        assert row["accounts"] % 20 == 0
        assert largest <= 0.8 * events
    for metric in REGISTRY.metrics:
        accounts = read(made[0], metric)["accounts"].drop_null()
        assert not len(accounts) or pc.min(accounts).as_py() >= 20


def test_the_same_accounts_have_the_same_number_in_every_table(
    made: tuple[Path, list[DayFiles]],
) -> None:
    """Adoption and depth count the same accounts of a feature, from two populations."""
    depth, adoption = read(made[0], "feature_depth"), read(made[0], "feature_adoption")
    accounts = {(row["first_day"], row["key1"]): row["numerator"] for row in adoption.to_pylist()}
    assert depth.num_rows > 20
    for row in depth.to_pylist():
        assert accounts[row["first_day"], row["key1"]] == row["denominator"]
    active = total(made[0], "active_week", "week")
    assert all(row["denominator"] == active[row["first_day"]] for row in adoption.to_pylist())


def test_availability_and_server_errors_agree(made: tuple[Path, list[DayFiles]]) -> None:
    """Each is the other's complement, so together they may not say more than one."""
    errors = {(row["cut"], row["first_day"], row["key1"], row["key2"]): row
              for row in read(made[0], "http_5xx_rate").to_pylist()}  # fmt: skip
    for row in read(made[0], "availability").to_pylist():
        other = errors[row["cut"], row["first_day"], row["key1"], row["key2"]]
        assert row["denominator"] == other["denominator"]
        if row["value"] is None:
            assert row["over"] == pytest.approx(1 - other["under"])
        else:
            assert row["numerator"] + other["numerator"] == row["denominator"]


def test_another_secret_gives_other_figures(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    before = total(root, "active_day")
    shutil.rmtree(root / "rollups")
    contents = Contents(REGISTRY, files, SCHEMAS, Facts())
    roll_up(contents, RollupStore(str(root)), RollupSettings(b"x" * 32), NOON_AFTER, time.monotonic)
    after = total(root, "active_day")
    assert sum(before[day] != after[day] for day in before) > DAYS / 2
    assert all(abs(before[day] - after[day]) <= 10 for day in before)


def test_publications_of_another_format_are_refused(lake: tuple[Path, list[DayFiles]]) -> None:
    root, files = lake
    store = RollupStore(str(root))
    store.write_manifest({**store.manifest(), "version": 1})
    with pytest.raises(PrivacyGateClosed, match="--regenerate"):
        publish(root, files)
    store.clear(REGISTRY.metrics)
    assert publish(root, files).published > 1000


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
    [found] = copies.filter(pc.equal(copies["key1"], "api_request"))["value"].to_pylist()
    assert found == pytest.approx(file.rows, rel=0.05)


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
