"""What the pipeline counted about itself is shown coarsely, a person's wish never as a number."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.io.lake.commits import Commit
from pipeline.ops.rollup.pipeline_metrics import (
    FEW,
    LIMITS,
    SHARES,
    Facts,
    coarse,
    fact_rows,
    hidden_rows,
    keep_rows,
    share_step,
)
from pipeline.ops.rollup.publication import PUBLISHED
from tests.unit.ops.rollup.attacks import score

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = NOW.date()


def commit(read: int, rejected: dict[str, int], dropped: dict[str, int], lost: int = 0) -> Commit:
    written = read - sum(rejected.values()) - sum(dropped.values()) - lost
    return Commit("session", 1, NOW, read, written, rejected, dropped)


def rows(facts: Facts, metric: str, **duplicates: int) -> list[dict[str, Any]]:
    copies = {(event, DAY): count for event, count in duplicates.items()}
    made = fact_rows(facts, copies, NOW)
    assert all(table.schema.equals(PUBLISHED) for table in made.values())
    shown: list[dict[str, Any]] = made[metric].to_pylist() if metric in made else []
    return [
        {name: value for name, value in row.items() if value is not None and name != "published_at"}
        for row in shown
    ]


def test_commits_of_a_day_are_added_up() -> None:
    facts = Facts([commit(500, {"not_json": 30}, {}), commit(500, {"not_json": 12}, {}, lost=10)])
    (complete,) = rows(facts, "completeness")
    assert (complete["value"], complete["denominator"]) == (0.99, 1000.0)
    (rejected,) = rows(facts, "rejected")
    assert (rejected["key1"], rejected["under"], rejected["cut"]) == ("not_json", 50.0, "reason")


@pytest.mark.parametrize(
    ("count", "limit"), [(1, 20), (19, 20), (20, 50), (99, 100), (100, 200), (999, 1000)]
)
def test_messages_of_unknown_accounts_are_only_said_to_be_less(count: int, limit: int) -> None:
    (row,) = rows(Facts([commit(2000, {"not_json": count}, {})]), "rejected")
    assert row["under"] == limit
    assert "value" not in row


def test_many_messages_have_two_digits() -> None:
    (row,) = rows(Facts([commit(99_000, {"not_json": 12_345}, {})]), "rejected")
    assert (row["value"], "under" in row) == (12_000.0, False)


def test_counts_of_the_pipeline_are_guessed_no_better_than_without_them() -> None:
    """What one account's broken client sends in a day, on three hundred days."""
    random = np.random.default_rng(13)
    truth = {(n,): float(count) for n, count in enumerate(random.integers(1, 400, 300))}
    estimates: dict[tuple[int], float] = {}
    for place, count in truth.items():
        (row,) = rows(Facts([commit(50_000, {"not_json": int(count)}, {})]), "rejected")
        below = max((one for one in (0, *LIMITS) if one < row["under"]), default=0)
        estimates[place] = row.get("value", (below + row["under"]) / 2)
    assert not score("the pipeline's counts", estimates, truth).better
    digits = {place: coarse(count) for place, count in truth.items()}
    assert score("the same in two digits", digits, truth).better


def test_what_people_asked_to_be_dropped_is_never_a_number() -> None:
    """Two counts inside one step look the same."""
    shown = [
        (rows(facts, "opt_out_rate"), rows(facts, "dropped"))
        for count in (30, 390)
        for facts in [Facts([commit(40_000, {}, {"opt_out": count - 10, "signal": 10})])]
    ]
    assert shown[0] == shown[1]
    (rate,), (first, _) = shown[0]
    assert (rate["under"], "value" in rate) == (0.01, False)
    assert (first["under"], "value" in first) == (400.0, False)


@pytest.mark.parametrize("read", [1, 20, 39, 1000, 123_456])
@pytest.mark.parametrize("part", [0, 0.005, 0.01, 0.2, 0.3, 0.5])
def test_a_share_is_less_than_it_is_said_to_be_and_of_messages_that_are_not_few(
    read: int, part: float
) -> None:
    count = int(read * part)
    step = share_step(count, read)
    if step is None:
        assert SHARES[-1] * read < FEW or count >= SHARES[-1] * read
    else:
        assert step in SHARES
        assert count < step * read
        assert step * read >= FEW


def test_a_day_without_messages_has_no_share() -> None:
    assert share_step(0, 0) is None


@pytest.mark.parametrize(
    ("count", "shown"), [(0, 0.0), (7, 7.0), (99, 99.0), (101, 100.0), (1_449_999, 1_400_000.0)]
)
def test_a_count_has_two_digits(count: int, shown: float) -> None:
    assert coarse(count) == shown


def test_copies_and_late_events_are_told_by_event() -> None:
    facts = Facts(late={("session", DAY): 25})
    assert [row["key1"] for row in rows(facts, "late")] == ["session"]
    assert [row["under"] for row in rows(facts, "duplicate", api_request=3)] == [20.0]


def test_freshness_and_expiry_are_as_of_now() -> None:
    facts = Facts(newest_commit=NOW - timedelta(minutes=90), oldest_day=DAY - timedelta(days=88))
    assert rows(facts, "freshness")[0]["value"] == 1.5
    assert rows(facts, "expiry_proof")[0]["value"] == 88.0
    ahead = Facts(newest_commit=NOW + timedelta(hours=1))
    assert rows(ahead, "freshness")[0]["value"] == 0.0
    assert fact_rows(Facts(), {}, NOW) == {}


def test_rows_of_a_cell_are_replaced_and_old_ones_go() -> None:
    def made(day: date, read: int) -> pa.Table:
        when = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return fact_rows(Facts([Commit("session", 1, when, read, read, {}, {})]), {}, NOW)[
            "completeness"
        ]

    before = pa.concat_tables([made(DAY - timedelta(days=n), 100) for n in (0, 1, 9)])
    kept = keep_rows(before, made(DAY, 900), DAY - timedelta(days=5))
    assert kept.schema.names == PUBLISHED.names
    assert [(row["first_day"], row["denominator"]) for row in kept.to_pylist()] == [
        (DAY - timedelta(days=1), 100.0),
        (DAY, 900.0),
    ]


def test_what_the_gate_hid_is_named_by_its_table() -> None:
    hidden = pa.table(
        {"start": [DAY], "share": [0.25], "metric": ["requests"], "by": [""], "window": ["week"]}
    )
    (row,) = hidden_rows([hidden], NOW).to_pylist()
    assert (row["grain"], row["key1"], row["key2"], row["value"]) == (
        "week",
        "requests",
        "total",
        0.25,
    )


def test_the_status_is_plain_json() -> None:
    status = Facts(newest_commit=NOW, oldest_day=DAY, epochs_live=2).status()
    assert (status["newest_commit"], status["oldest_day"]) == (NOW.isoformat(), "2026-11-24")
    assert Facts().status()["newest_commit"] is None
