"""The account of slices: started, landed, settled; counts move when a slice has landed."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from pipeline.events.model import REJECTED, CleanBatch, Drop
from pipeline.flow.ports import FixedClock
from pipeline.flow.steps.account import Account
from pipeline.flow.summary import Tally
from pipeline.metrics import Metrics
from tests.unit.flow.world import EVENT, NOW, MemoryCommitted, event, slice_of

TAKEN = slice_of([event(number) for number in range(5)])


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def account(metrics: Metrics) -> Account:
    return Account(metrics, FixedClock(NOW))


def batch() -> CleanBatch:
    """Five messages read: three stored, one refused, one dropped."""
    return CleanBatch(
        span=TAKEN.span,
        event=EVENT,
        read=5,
        rows=pa.record_batch({"subject": ["a", "b", "c"]}),
        rejected=pa.RecordBatch.from_pylist(
            [{"offset": 3, "bytes": 10, "stage": "decode", "reason": "not_json"}], schema=REJECTED
        ),
        dropped={Drop.OPT_OUT: 1},
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"telemetry_{name}", labels)


def test_a_slice_that_nobody_landed_settles_as_not_landed(account: Account) -> None:
    account.start(TAKEN, 0.0)
    assert account.settle(TAKEN).landed is False
    assert account.tally == Tally()


def test_a_landed_slice_is_counted_once_and_settles_as_landed(
    account: Account, metrics: Metrics
) -> None:
    told: list[Tally] = []
    account.on_commit = told.append
    account.start(TAKEN, 0.0)
    account.dated(TAKEN.span, NOW - timedelta(seconds=30))
    account.land(batch(), MemoryCommitted(1, 3, 400))
    expected = Tally(5, 3, {"not_json": 1}, {Drop.OPT_OUT.value: 1}, 1)
    assert account.tally == expected
    assert told == [expected]
    assert account.settle(TAKEN).landed is True
    assert value(metrics, "consumed_total", event=EVENT) == 5
    assert value(metrics, "written_total", event=EVENT) == 3
    assert value(metrics, "rejected_total", event=EVENT, stage="decode", reason="not_json") == 1
    assert value(metrics, "dropped_total", event=EVENT, reason=Drop.OPT_OUT.value) == 1
    assert value(metrics, "freshness_seconds_sum", event=EVENT) == 30


def test_an_event_from_the_future_is_not_fresher_than_now(
    account: Account, metrics: Metrics
) -> None:
    account.start(TAKEN, 0.0)
    account.dated(TAKEN.span, NOW + timedelta(minutes=3))
    account.land(batch(), MemoryCommitted(1, 3, 400))
    assert value(metrics, "freshness_seconds_sum", event=EVENT) == 0


def test_a_conflict_is_counted_and_lands_nothing(account: Account, metrics: Metrics) -> None:
    account.start(TAKEN, 0.0)
    account.conflict(batch())
    assert account.conflicts == 1
    assert account.settle(TAKEN).landed is False
    assert value(metrics, "commit_conflicts_total", event=EVENT) == 1


def test_a_slice_that_started_elsewhere_is_counted_and_not_measured(
    account: Account, metrics: Metrics
) -> None:
    account.dated(TAKEN.span, NOW)
    account.land(batch(), MemoryCommitted(1, 3, 400))
    assert account.tally.read == 5
    assert value(metrics, "consumed_total", event=EVENT) is None
