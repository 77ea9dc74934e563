"""Deciding what a topic is: new, the same, or nothing to decide; and what the log says then."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.events.model import CleanBatch, Span
from pipeline.io.kafka.accept import Decision, Plan, ids_before, plan_acceptance, record_acceptance
from pipeline.io.kafka.identity import NO_EPOCH, Stand, stand_of, text_of
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_schemas
from tests.unit.io.kafka.broker import Broker

SCHEMA = load_schemas()["session"][-1]


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(partitions=2) as broker:
        yield broker


@pytest.fixture
def table(tmp_path: Path, broker: Broker) -> EventTable:
    """A table that has read both messages of partition 0, and nothing of the other."""
    broker.logs[0].put(b"a", b"b")
    lake = Lake(str(tmp_path / "lake"), state=tmp_path / "state")
    table = lake.events("session", SCHEMA.stored)
    marks = Stand("kafka/t/0", 0, None, None).marks(broker.topic_id, 0)
    nothing = pa.RecordBatch.from_pylist([], schema=SCHEMA.stored)
    table.commit(CleanBatch(Span("kafka", "t", 0, 0, 2, marks), "session", 0, nothing))
    return table


def plan(broker: Broker, table: EventTable, decision: Decision) -> Plan:
    return plan_acceptance(broker.access, "t", decision, table.positions)


def decided(broker: Broker, table: EventTable, decision: Decision) -> Stand:
    record_acceptance(table, SCHEMA, plan(broker, table, decision))
    return stand_of(table.positions, "t", 0)


def test_a_new_topic_is_read_from_its_first_message(broker: Broker, table: EventTable) -> None:
    before = broker.topic_id
    broker.recreate()
    assert ids_before(plan(broker, table, Decision.NEW).changes) == [text_of(before)]
    stand = decided(broker, table, Decision.NEW)
    assert (stand.position, stand.topic_id) == (0, broker.topic_id)


def test_of_the_same_topic_reading_goes_on_where_the_lake_stands(
    broker: Broker, table: EventTable
) -> None:
    broker.recreate()
    broker.logs[0].put(b"a", b"b", b"c")
    stand = decided(broker, table, Decision.SAME)
    assert (stand.position, stand.topic_id, stand.epoch) == (2, broker.topic_id, NO_EPOCH)


def test_a_partition_that_was_never_read_is_not_decided(broker: Broker, table: EventTable) -> None:
    broker.recreate()
    assert [one.partition for one in plan(broker, table, Decision.NEW).changes] == [0]


def test_the_topic_that_was_read_leaves_nothing_to_decide(
    broker: Broker, table: EventTable
) -> None:
    with pytest.raises(UsageError, match="nothing to decide"):
        plan(broker, table, Decision.NEW)


def test_a_broker_that_tells_no_id_cannot_be_decided_about(
    broker: Broker, table: EventTable
) -> None:
    broker.topic_id = uuid.UUID(int=0)
    with pytest.raises(EnvironmentProblem, match="does not report the topic's id"):
        plan(broker, table, Decision.SAME)
