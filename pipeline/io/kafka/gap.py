"""Record that messages of a partition are lost, so that reading can go on after them.

What counts as lost is what retention took and damaged record batches: nothing still readable.
A gap is a commit without rows: it moves the position from where the lake stands to where readable
messages begin, by the same comparison as any other commit, and the log keeps it.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.events.model import CleanBatch, Span
from pipeline.events.schema import EventSchema
from pipeline.io.kafka.client import KafkaAccess, kafka_faults
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.identity import SOURCE
from pipeline.io.kafka.raw_records import BadBatch
from pipeline.io.lake.event_table import EventTable
from pipeline.io.source import Position

TRIES = 20
"""How often a fetch that returns nothing is repeated before a place counts as empty."""


def plan_gap(
    access: KafkaAccess, topic: str, partition: int, stop: int, position: Position
) -> Span:
    """Return the span that would be recorded as lost; nothing is changed.

    Raises UsageError if `stop` lies after the first message that can be read, or not past the
    lake's position.
    """
    start = position(f"{SOURCE}/{topic}/{partition}") or 0
    with kafka_faults("looking at the partition", topic):
        fetch = PartitionFetch(access, topic)
        try:
            if partition not in fetch.partitions():
                raise UsageError(f"topic {topic} has no partition {partition}")
            begin = fetch.begins([partition])[partition]
            readable = begin if begin > start else _end_of_damage(fetch, partition, start, stop)
        finally:
            fetch.close()
    if stop <= start or readable <= start:
        raise UsageError(
            "There is no gap before that offset",
            where=f"topic {topic}, partition {partition}",
            why=f"the lake's position is {start}, and the message there can be read",
        )
    if stop > readable:
        raise UsageError(
            "Messages in that range are still there",
            where=f"topic {topic}, partition {partition}",
            why=f"the first one that can be read is at {readable}",
            remedy=f"Use --to {readable}",
        )
    return Span(SOURCE, topic, partition, start, stop)


def _end_of_damage(fetch: PartitionFetch, partition: int, start: int, stop: int) -> int:
    """Return the offset after the damaged batch at `start`; `start` if that can be read.

    Where the damage hides its own end, `stop` counts as the end if a message begins exactly there.
    """
    damage = _damage_at(fetch, partition, start)
    if damage is None:
        return start
    if damage.stop is not None:
        return damage.stop
    before, there = (_damage_at(fetch, partition, at) for at in (stop - 1, stop))
    return stop if before is not None and there is None else start


def _damage_at(fetch: PartitionFetch, partition: int, offset: int) -> BadBatch | None:
    """Return the damage met when reading at an offset, None if it can be read."""
    fetch.start_at({partition: offset})
    for _ in range(TRIES):
        try:
            if fetch.fetch(partition, 1, wait=0.5) or fetch.position(partition) != offset:
                return None
        except BadBatch as damage:
            return damage
    return None


def record_gap(table: EventTable, schema: EventSchema, lost: Span) -> None:
    """Move the position past the gap, in a commit that says so. Raises LakeError."""
    nothing = pa.RecordBatch.from_pylist([], schema=schema.stored)
    batch = CleanBatch(span=lost, event=schema.event, read=0, rows=nothing)
    table.commit(batch, metadata={"gap": lost.stop - lost.start})
