"""How far topics are in the lake: position, end, lag and the age of the oldest unread message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.io.kafka.client import KafkaAccess, kafka_faults
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.identity import SOURCE
from pipeline.io.source import Position


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition at one moment."""

    source: str
    topic: str
    partition: int
    position: int | None
    """Next unread offset; None if the lake has nothing from it."""
    end: int
    lag: int
    """Offsets between the two, as far as the partition still has them."""
    lost: int
    """Offsets that retention took before they were read."""
    waiting_seconds: float | None
    """Age of the oldest unread message; None if there is none."""


def partition_lags(
    access: KafkaAccess,
    source: str,
    topic: str,
    position: Position,
    now: datetime,
    *,
    committed_only: bool = False,
) -> list[PartitionLag]:
    """Look at every partition of a topic; nothing is changed. Raises TelemetryError."""
    with kafka_faults("looking at partitions", topic):
        fetch = PartitionFetch(access, topic, committed_only=committed_only)
        try:
            numbers = sorted(fetch.partitions())
            begins, ends = fetch.begins(numbers), fetch.ends(numbers)
            return [
                _look(fetch, source, number, position, begins[number], ends[number], now)
                for number in numbers
            ]
        finally:
            fetch.close()


def _look(
    fetch: PartitionFetch,
    source: str,
    number: int,
    position: Position,
    begin: int,
    end: int,
    now: datetime,
) -> PartitionLag:
    known = position(f"{SOURCE}/{fetch.topic}/{number}")
    start = max(begin, known or 0)
    waiting = None
    if start < end:
        fetch.start_at({number: start})
        run = fetch.fetch(number, room=1, wait=2.0)
        if run is not None and run.oldest_ms is not None:
            waiting = max(0.0, now.timestamp() - run.oldest_ms / 1000)
    lost = 0 if known is None else max(0, begin - known)
    return PartitionLag(source, fetch.topic, number, known, end, max(0, end - start), lost, waiting)
