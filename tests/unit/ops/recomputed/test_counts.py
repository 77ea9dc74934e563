"""Late and repeated events, freshness and the oldest day are compared with files and commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.events.model import CleanBatch, Span
from pipeline.io.lake.commits import history_of
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.staging import MachineClock
from pipeline.ops.recomputed.counts import EXPIRED, FOREIGN_CLOCK, REWRITTEN, Counts, wrong_counts
from pipeline.ops.rollup.lake_files import look_at
from pipeline.ops.rollup.pipeline_metrics import Facts, fact_rows
from pipeline.ops.rollup.publication import PUBLISHED
from tests.unit.ops.retention.test_seal import STORED

EVENT = "api_request"
SCHEMAS = {EVENT: STORED}
NOW = datetime.now(UTC)
"""Files are dated by the clock of the machine."""
DAY = NOW.date() - timedelta(days=3)
LATER = NOW + timedelta(hours=1)
AGE = (LATER.date() - DAY).days
"""Of the oldest day, in days: in the last hour of a day one more than at other times."""


def store(lake: Lake, day: date, tokens: Sequence[int]) -> None:
    table = lake.events(EVENT, STORED)
    start = table.position("kafka/t/0") or 0
    count = len(tokens)
    columns = [
        pa.array([day] * count, pa.date32()),
        pa.array([1] * count, pa.int8()),
        pa.array([f"{token:032x}" for token in tokens], pa.string()),
        pa.array([f"{7:032x}"] * count, pa.string()),
        pa.array(["/v1/me"] * count, pa.string()),
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=STORED)
    table.commit(CleanBatch(Span("kafka", "t", 0, start, start + count), EVENT, count, batch))


def published(
    lake: Lake, copies: int, at: datetime = LATER, changed: Mapping[str, float] | None = None
) -> Lake:
    """Publish what a rollup would at a time; `changed` are other values by metric."""
    changed = changed or {}
    view = look_at(lake, SCHEMAS, {}, at)
    facts = Facts(late=view.late, newest_commit=view.newest_commit, oldest_day=view.oldest_day)
    for name, table in fact_rows(facts, {(EVENT, DAY): copies}, at).items():
        rows = table.to_pylist()
        if name in changed:
            rows = [{**row, "value": changed[name], "under": None} for row in rows]
        lake.rollups().write(name, pa.Table.from_pylist(rows, schema=PUBLISHED), {})
    return lake


def compared(lake: Lake, removals: Sequence[datetime] = ()) -> Counts:
    histories = [history_of(lake.events(EVENT, STORED).log, EVENT)]
    return wrong_counts(lake, SCHEMAS, lake.rollups(), histories, LATER, removals)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state")
    store(lake, DAY, [1, 2, 3])
    store(lake, DAY, [3, 4])
    return lake


def test_what_files_and_commits_give_is_equal(lake: Lake) -> None:
    found = compared(published(lake, copies=1))
    assert (found.equal, found.wrong, found.unseen) == (3, {}, {})


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("duplicate", 0.0),
        ("freshness", 0.01),
        ("expiry_proof", AGE + 1),
        ("expiry_proof", AGE - 1),
    ],
)
def test_another_value_is_told_by_its_metric(lake: Lake, metric: str, value: float) -> None:
    found = compared(published(lake, 1, changed={metric: value}))
    assert found.wrong == {metric: 1}


def test_late_events_are_counted_in_the_files(lake: Lake) -> None:
    lake.rollups().write("late", late(20.0), {})
    assert compared(lake).wrong == {"late": 1}, "all of the day were loaded after it"


@pytest.mark.parametrize(("change", "wrong"), [({}, {}), ({"late": 9.0}, {"late": 1})])
def test_late_events_of_a_real_log_are_those_of_files_after_the_day_was_closed(
    tmp_path: Path, change: dict[str, float], wrong: dict[str, int]
) -> None:
    moments = [datetime.combine(DAY, time(12), UTC)]
    clock = MachineClock(wall=lambda: moments[-1].timestamp())
    lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state", clock=clock)
    store(lake, DAY, [1, 2, 3])
    moments.append(moments[0] + timedelta(hours=17))
    store(lake, DAY, range(10, 40))
    found = compared(published(lake, copies=0, changed=change))
    assert (found.equal, found.wrong) == (4 - len(wrong), wrong)


def late(under: float) -> pa.Table:
    facts = fact_rows(Facts(late={(EVENT, DAY): 5}), {}, LATER)["late"]
    rows = [{**row, "under": under} for row in facts.to_pylist()]
    return pa.Table.from_pylist(rows, schema=PUBLISHED)


def test_files_that_came_afterwards_make_a_count_unverified(lake: Lake) -> None:
    published(lake, 9, at=NOW - timedelta(minutes=1), changed={"freshness": 0.0})
    found = compared(lake)
    assert found.unseen[REWRITTEN] == 1
    assert "duplicate" not in found.wrong


def test_rows_that_were_removed_since_make_the_oldest_day_unverified(lake: Lake) -> None:
    published(lake, 1, changed={"expiry_proof": 9.0})
    found = compared(lake, [LATER + timedelta(minutes=1)])
    assert (found.unseen[EXPIRED], found.unseen[REWRITTEN]) == (1, 1)
    assert found.wrong == {}


def test_a_publication_from_before_every_commit_has_a_clock_of_its_own(lake: Lake) -> None:
    """Which commits there were by then, and how old the newest was, nothing tells."""
    published(lake, 1, at=NOW - timedelta(days=1))
    found = compared(lake)
    assert found.unseen[FOREIGN_CLOCK] == 1
    assert "freshness" not in found.wrong
