"""Record that messages of a partition are lost, so that reading can go on after them.

A gap is a commit without rows: it moves the position from where the lake stands to where Kafka's
messages begin, by the same comparison as any other commit, and the log keeps it.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.events.model import CleanBatch, Span
from pipeline.events.schema import EventSchema
from pipeline.io.event_table import EventTable
from pipeline.io.kafka_client import KafkaAccess, kafka_faults
from pipeline.io.kafka_reader import SOURCE
from pipeline.io.kafka_records import PartitionFetch
from pipeline.io.source import Position


def plan_gap(
    access: KafkaAccess, topic: str, partition: int, stop: int, position: Position
) -> Span:
    """Return the span that would be recorded as lost; nothing is changed.

    Raises UsageError if `stop` lies behind the first message that is still there, or not past
    the lake's position.
    """
    with kafka_faults("looking at the partition", topic):
        fetch = PartitionFetch(access, topic)
        try:
            if partition not in fetch.partitions():
                raise UsageError(f"topic {topic} has no partition {partition}")
            begin = fetch.begins([partition])[partition]
        finally:
            fetch.close()
    start = position(f"{SOURCE}/{topic}/{partition}") or 0
    if stop > begin:
        raise UsageError(
            "messages in that range are still there",
            where=f"topic {topic}, partition {partition}",
            why=f"the first one is at {begin}",
            remedy=f"Use --to {begin}",
        )
    if stop <= start:
        raise UsageError(
            "there is no gap before that offset",
            where=f"topic {topic}, partition {partition}",
            why=f"the lake stands at {start}",
        )
    return Span(SOURCE, topic, partition, start, stop)


def record_gap(table: EventTable, schema: EventSchema, lost: Span) -> None:
    """Move the position past the gap, in a commit that says so. Raises LakeError."""
    nothing = pa.RecordBatch.from_pylist([], schema=schema.stored)
    batch = CleanBatch(span=lost, event=schema.event, read=0, rows=nothing)
    table.commit(batch, metadata={"gap": lost.stop - lost.start})
