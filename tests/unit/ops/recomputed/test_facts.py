"""The pipeline's counts of itself are compared with the log, hidden shares with the rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.io.lake.commits import Commit, History
from pipeline.io.lake.lake import Lake
from pipeline.ops.recomputed.facts import FROM_THE_LOG, wrong_hidden, wrong_log_facts
from pipeline.ops.rollup.pipeline_metrics import Facts, fact_rows, hidden_rows

DAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = AT + timedelta(days=2)
COMMITS = [
    Commit("session", 1, AT, 9_000, 8_900, {"not_json": 60}, {"opt_out": 40}),
    Commit("session", 2, AT + timedelta(hours=1), 1_000, 1_000, {}, {}),
]


def published(folder: Path, commits: list[Commit], at: datetime = NOW) -> Lake:
    lake = Lake(str(folder))
    for name, table in fact_rows(Facts(commits), {}, at).items():
        if name in FROM_THE_LOG:
            lake.rollups().write(name, table, {})
    return lake


def compared(lake: Lake, now: datetime = NOW) -> tuple[int, list[tuple[str, int]]]:
    """Against logs that hold all commits of all days."""
    return wrong_log_facts([History(COMMITS)], lake.rollups(), now)


def test_what_the_log_gives_is_equal(tmp_path: Path) -> None:
    assert compared(published(tmp_path, COMMITS)) == (4, [])


def test_commits_after_a_publication_do_not_count(tmp_path: Path) -> None:
    assert compared(published(tmp_path, COMMITS[:1], AT)) == (4, [])


def test_other_counts_are_told_by_metric(tmp_path: Path) -> None:
    other = Commit("session", 1, AT, 9_000, 8_610, {"not_json": 300}, {"opt_out": 90})
    equal, wrong = compared(published(tmp_path, [other, COMMITS[1]]))
    assert dict(wrong) == {"rejected": 1}
    assert equal == 3, "completeness is the same, and drops are within their step"


def test_the_day_that_is_open_is_not_compared(tmp_path: Path) -> None:
    assert compared(published(tmp_path, COMMITS[:1]), AT) == (0, [])


def hidden(share: float | None) -> pa.Table:
    return pa.table({"start": [DAY], "share": pa.array([share], pa.float64())})


@pytest.mark.parametrize(
    ("said", "now", "wrong"),
    [(0.25, 0.25, False), (0.25, 0.26, True), (None, None, False), (0.0, None, True)],
)
def test_a_share_of_hidden_events_is_compared(
    said: float | None, now: float | None, wrong: bool
) -> None:
    shown: dict[str, Any] = {"metric": "requests", "by": "model", "window": "week"}
    table = hidden(said)
    for name, text in shown.items():
        table = table.append_column(name, pa.array([text]))
    rows = hidden_rows([table], NOW)
    place = "requests", "week", ["model"], hidden(now)
    assert list(wrong_hidden(rows, *place, {DAY})) == ([DAY] if wrong else [])
    assert list(wrong_hidden(rows, *place, set())) == [], "its rows have changed since"
