"""Record what a topic is if it looks unlike the one the lake has read: a new one, or the same.

A decision is a commit without rows for each partition, by the same comparison as any other
commit, so no reader of the old topic can still move the position afterwards. The log keeps it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import pyarrow as pa

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.events.model import CleanBatch, Span
from pipeline.events.schema import EventSchema
from pipeline.io.kafka.client import KafkaAccess, kafka_faults
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.identity import NO_EPOCH, SOURCE, Stand, stand_of, text_of
from pipeline.io.lake.event_table import EventTable
from pipeline.io.source import Positions


class Decision(Enum):
    """What the topic is."""

    NEW = "new"
    """Its messages are different: every partition is read from 0."""
    SAME = "same"
    """Its offsets mean the same messages: reading continues where the lake stands."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision does to one partition."""

    partition: int
    before: Stand
    span: Span
    """From the old position to the new one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A decision, and what it does."""

    topic: str
    decision: Decision
    topic_id: uuid.UUID
    changes: tuple[Change, ...]


def plan_acceptance(
    access: KafkaAccess, topic: str, decision: Decision, positions: Positions
) -> Plan:
    """Look at a topic and at what the lake has of it; nothing is changed.

    Raises UsageError if the topic is the one that was read, and EnvironmentProblem if the broker
    does not say which it is.
    """
    with kafka_faults("looking at the topic", topic):
        fetch = PartitionFetch(access, topic)
        try:
            fetch.look_again()
            topic_id, numbers = fetch.topic_id(), sorted(fetch.partitions())
            ends = fetch.ends(numbers)
        finally:
            fetch.close()
    if topic_id is None:
        raise EnvironmentProblem(
            "The broker does not report the topic's id",
            where=f"topic {topic}",
            remedy="Check that the topic exists. Brokers before Kafka 2.8 have no topic ids.",
        )
    stands = {number: stand_of(positions, topic, number) for number in numbers}
    changes = tuple(
        _change(topic, number, stand, decision, topic_id)
        for number, stand in stands.items()
        if stand.position is not None
        and (stand.topic_id != topic_id or stand.position > ends[number] or stand.epoch is not None)
    )
    differs = any(
        change.before.topic_id != topic_id or (change.before.position or 0) > ends[change.partition]
        for change in changes
    )
    if not changes or (not differs and decision is Decision.NEW):
        raise UsageError(
            "There is nothing to decide: the topic is the one that was read",
            where=f"topic {topic}, id {text_of(topic_id)}",
        )
    return Plan(topic, decision, topic_id, changes)


def record_acceptance(table: EventTable, schema: EventSchema, plan: Plan) -> None:
    """Commit a decision, partition by partition; safe to repeat. Raises LakeError."""
    nothing = pa.RecordBatch.from_pylist([], schema=schema.stored)
    for change in plan.changes:
        table.commit(
            CleanBatch(span=change.span, event=schema.event, read=0, rows=nothing),
            metadata={
                "accepted": plan.decision.value,
                "topic_id": text_of(plan.topic_id),
                "topic_id_before": text_of(change.before.topic_id),
            },
        )


def ids_before(changes: Sequence[Change]) -> list[str]:
    """Name the ids that the lake had, each once."""
    return sorted({text_of(change.before.topic_id) for change in changes})


def _change(
    topic: str, number: int, stand: Stand, decision: Decision, topic_id: uuid.UUID
) -> Change:
    start = stand.position or 0
    stop = 0 if decision is Decision.NEW else start
    span = Span(SOURCE, topic, number, start, stop)
    return Change(number, stand, replace(span, marks=stand.marks(topic_id, NO_EPOCH)))
