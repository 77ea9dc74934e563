"""From published tables to the numbers of the page: nothing is invented, hidden is not zero."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from pipeline.dashboard.data import (
    CELL_DAYS,
    MOST_KEYS,
    OTHER,
    TOTAL_DAYS,
    day_number,
    page_data,
)
from pipeline.ops.rollup.publication import PUBLISHED

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAST = date(2026, 11, 23)
METRIC = {
    "name": "requests",
    "kind": "count",
    "requires": "api_request",
    "title": "Requests",
    "good": "up",
}


def rows(*given: dict[str, Any]) -> pa.Table:
    """Published windows; what a row does not say is null."""
    empty = dict.fromkeys(PUBLISHED.names)
    full = [
        {
            **empty,
            "grain": "day",
            "cut": "",
            "key1": "",
            "key2": "",
            "last_day": one.get("first_day", LAST),
            "first_day": LAST,
            **one,
        }
        for one in given
    ]
    columns = {
        field.name: pa.array([row[field.name] for row in full], field.type) for field in PUBLISHED
    }
    return pa.Table.from_pydict(columns, schema=PUBLISHED.with_metadata(None))


def cubes(table: pa.Table, **metric: str) -> Any:
    manifest = {"metrics": [{**METRIC, **metric}]}
    return page_data({"requests": table}, manifest, [], NOW)["tables"]


def test_a_cell_is_a_line_of_numbers_and_a_hidden_window_is_null() -> None:
    days = [LAST - timedelta(days=age) for age in (2, 1, 0)]
    table = rows(
        *({"first_day": day, "value": 10.0 + n, "accounts": 30} for n, day in enumerate(days)),
        *({"first_day": day, "cut": "region", "key1": "eu", "value": 5.0} for day in days[::2]),
        {"first_day": days[1], "cut": "region", "key1": "us", "value": 4.0},
    )
    found = cubes(table)
    assert found["requests|day|"] == {
        "at": [day_number(day) for day in days],
        "keys": [[]],
        "value": [[10, 11, 12]],
    }
    assert found["requests|day|region"]["keys"] == [["eu"], ["us"]]
    assert found["requests|day|region"]["value"] == [[5, None, 5], [None, 4, None]]


def test_totals_go_further_back_than_cells() -> None:
    ages = (TOTAL_DAYS, TOTAL_DAYS - 1, CELL_DAYS, CELL_DAYS - 1, 0)
    days = [LAST - timedelta(days=age) for age in ages]
    found = cubes(
        rows(
            *({"first_day": day, "value": 1.0} for day in days),
            *({"first_day": day, "cut": "plan", "key1": "a", "value": 1.0} for day in days),
        )
    )
    assert found["requests|day|"]["at"] == [day_number(day) for day in days[1:]]
    assert found["requests|day|plan"]["at"] == [day_number(day) for day in days[3:]]


@pytest.mark.parametrize(("kind", "others"), [("count", 3 + 2 + 1), ("people", None)])
def test_the_smallest_cells_are_added_up_where_they_add_up(kind: str, others: int | None) -> None:
    cells = [
        {"cut": "route", "key1": f"r{n:02}", "value": float(n + 1), "accounts": 1}
        for n in range(MOST_KEYS + 3)
    ]
    cube = cubes(rows(*cells), kind=kind)["requests|day|route"]
    values = {key: line[0] for [key], line in zip(cube["keys"], cube["value"], strict=True)}
    assert values.get(OTHER) == others
    assert len(values) == MOST_KEYS + (others is not None)
    assert "r02" not in values
    assert values["r03"] == 4


def test_a_ratio_is_its_two_halves() -> None:
    table = rows({"value": 0.5, "numerator": 1.0, "denominator": 2.0})
    cube = cubes(table, kind="ratio")["requests|day|"]
    assert (cube["numerator"], cube["denominator"]) == ([[1]], [[2]])
    assert "value" not in cube


def test_a_fact_under_a_limit_is_shown_as_the_limit() -> None:
    table = rows({"value": None, "under": 0.01, "denominator": 200.0})
    cube = cubes(table, kind="fact")["requests|day|"]
    assert (cube["numerator"], cube["under"]) == ([[2]], [[0.01]])


def test_first_and_last_day_are_those_with_accounts() -> None:
    day = LAST - timedelta(days=3)
    table = rows({"first_day": day, "accounts": 3}, {"first_day": LAST, "accounts": None})
    data = page_data({"requests": table}, {"metrics": [METRIC]}, [], NOW)
    assert (data["first_day"], data["last_day"]) == (str(day), str(day))


def test_an_empty_manifest_is_a_page_without_figures() -> None:
    data = page_data({}, {}, [], NOW)
    assert (data["tables"], data["metrics"], data["last_day"], data["run"]) == ({}, [], None, None)


def test_a_metric_whose_events_were_not_read_is_not_collected() -> None:
    for collected, said in ((["api_request"], True), (["session"], False)):
        manifest = {"metrics": [METRIC], "collected": collected, "runs": [{}]}
        (metric,) = page_data({}, manifest, [], NOW)["metrics"]
        assert (metric["collected"], "requires" in metric) == (said, False)


def test_what_is_hidden_is_the_mean_of_four_weeks() -> None:
    ages = (40, 2, 1)
    table = rows(
        *(
            {
                "first_day": LAST - timedelta(days=age),
                "key1": "requests",
                "key2": "region",
                "value": share,
            }
            for age, share in zip(ages, (1.0, 0.2, 0.4), strict=True)
        )
    )
    data = page_data({"suppressed": table}, {}, [], NOW)
    assert data["hidden"] == {"requests|region": [0.3]}
