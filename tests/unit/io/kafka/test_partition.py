"""When a partition is due, and what a commit makes of it."""

from __future__ import annotations

import uuid

from pipeline.events.model import Span
from pipeline.io.kafka.identity import Stand
from pipeline.io.kafka.partition import Partition
from pipeline.io.source import Pace

PACE = Pace(slice_bytes=1000, flush_seconds=15.0)
ID = uuid.UUID(int=5)


def partition(start: int, end: int | None, **more: object) -> Partition:
    stand = Stand("kafka/t/0", start, None, None)
    return Partition(0, start, start, stand, end, committed_at=100.0, **more)  # type: ignore[arg-type]


def test_a_backlog_is_due_when_the_flush_interval_has_passed() -> None:
    part = partition(5, 10, message_bytes=1.0)
    assert not part.is_due(110.0, PACE, flushing=False)
    assert part.is_due(115.0, PACE, flushing=False)
    assert part.is_due(110.0, PACE, flushing=True)


def test_an_empty_partition_is_due_only_to_take_over_a_position_of_the_first_version() -> None:
    assert not partition(10, 10).is_due(500.0, PACE, flushing=True)
    assert partition(10, 10, adopts=True).is_due(101.0, PACE, flushing=False)
    assert not partition(10, 5, adopts=True).is_due(101.0, PACE, flushing=False)


def test_a_commit_moves_position_and_identity() -> None:
    part = partition(5, 10, adopts=True)
    marks = part.stand.marks(ID, 3)
    part.move_to(Span("kafka", "t", 0, 5, 9, marks), ID)
    assert (part.start, part.read_from, part.adopts) == (9, 9, False)
    assert (part.stand.position, part.stand.topic_id, part.epoch) == (9, ID, 3)
