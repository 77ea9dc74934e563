"""A gap is recorded where messages are lost, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.events.model import Span
from pipeline.io.kafka.gap import plan_gap, record_gap
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_schemas
from tests.unit.io.kafka.broker import Broker


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def plan(broker: Broker, start: int, stop: int, partition: int = 0) -> Span:
    return plan_gap(broker.access, "t", partition, stop, {"kafka/t/0": start}.get)


def test_what_retention_took_is_a_gap_up_to_the_first_message(broker: Broker) -> None:
    broker.logs[0].put(b"a", b"b")
    broker.logs[0].put(b"c")
    broker.logs[0].forget(2)
    assert plan(broker, 0, 2) == Span("kafka", "t", 0, 0, 2)
    with pytest.raises(UsageError, match="the first one that can be read is at 2"):
        plan(broker, 0, 3)


def test_a_damaged_batch_is_a_gap_to_its_end(broker: Broker) -> None:
    broker.logs[0].put_damaged(b"a", b"b", b"c")
    broker.logs[0].put(b"d")
    assert plan(broker, 0, 3) == Span("kafka", "t", 0, 0, 3)
    with pytest.raises(UsageError, match="still there"):
        plan(broker, 0, 4)


def test_what_can_be_read_is_no_gap(broker: Broker) -> None:
    broker.logs[0].put(b"a", b"b")
    with pytest.raises(UsageError, match="no gap"):
        plan(broker, 0, 1)


def test_a_partition_that_is_not_there_is_refused(broker: Broker) -> None:
    with pytest.raises(UsageError, match="no partition 5"):
        plan(broker, 0, 1, partition=5)


def test_a_recorded_gap_moves_the_position_and_stores_no_row(tmp_path: Path) -> None:
    schema = load_schemas()["session"][-1]
    table = Lake(str(tmp_path / "lake"), state=tmp_path / "state").events("session", schema.stored)
    lost = Span("kafka", "t", 0, 0, 7)
    record_gap(table, schema, lost)
    record_gap(table, schema, replace(lost, start=7, stop=9))
    assert table.position("kafka/t/0") == 9
    assert table.snapshot().files == ()
