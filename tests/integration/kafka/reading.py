"""Read a topic with the pipeline's reader, and a dictionary in place of the lake."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.events.model import Slice
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.reader import KafkaReader
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.source import Pace
from tests.integration.services.kafka import Broker


@dataclass
class Positions:
    """What the lake would know, with the comparison that it makes."""

    of: dict[str, int] = field(default_factory=dict)
    messages: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    slices: int = 0

    def commit(self, cut: Slice) -> None:
        span = cut.span
        assert self.of.get(span.app_id, 0) == span.start
        assert span.stop > span.start or span.marks
        for mark in span.marks:
            assert self.of.get(mark.app_id) == mark.before
            self.of[mark.app_id] = mark.after
        self.of[span.app_id] = span.stop
        self.messages.setdefault(span.partition, []).extend(messages(cut))
        self.slices += 1

    def ask(self, app_ids: Sequence[str]) -> list[int | None]:
        return [self.of.get(app_id) for app_id in app_ids]

    def values(self, partition: int = 0) -> list[bytes]:
        return [value for _, value in self.messages.get(partition, [])]

    def offsets(self, partition: int = 0) -> list[int]:
        return [offset for offset, _ in self.messages.get(partition, [])]


def messages(cut: Slice) -> list[tuple[int, bytes]]:
    """Offset and bytes of each message of a slice."""
    found = []
    for offset, start, end in zip(cut.offsets, cut.starts, cut.ends, strict=True):
        found.append((int(offset), cut.data[int(start) : int(end)]))
    return found


def source(broker: Broker, topic: str, **options: object) -> KafkaSource:
    access = KafkaAccess((broker.servers,))
    return KafkaSource("test", "api_request", topic, access, **options)  # type: ignore[arg-type]


def open_reader(
    kafka: KafkaSource, positions: Positions, pace: Pace | None = None, index: int = 0, of: int = 1
) -> KafkaReader:
    return kafka.open(
        kafka.shards(of)[index], positions.ask, pace or Pace(to_end=True), time.monotonic
    )


def read_to_end(reader: KafkaReader, positions: Positions, seconds: float = 60) -> None:
    """Commit slices until the reader is at its end."""
    deadline = time.monotonic() + seconds
    while not reader.at_end():
        assert time.monotonic() < deadline, "the reader does not come to its end"
        cut = reader.poll(0.1)
        if cut is not None:
            positions.commit(cut)
            reader.committed(cut.span)


def read_until(reader: KafkaReader, positions: Positions, count: int, seconds: float = 60) -> None:
    """Commit slices until so many messages were read."""
    deadline = time.monotonic() + seconds
    while sum(map(len, positions.messages.values())) < count:
        assert time.monotonic() < deadline, "messages do not arrive"
        cut = reader.poll(0.1)
        if cut is not None:
            positions.commit(cut)
            reader.committed(cut.span)


def read_all(
    broker: Broker, topic: str, positions: Positions | None = None, **options: object
) -> Positions:
    """Read everything that is there from the stored positions, and close."""
    positions = positions or Positions()
    reader = open_reader(source(broker, topic, **options), positions)
    try:
        read_to_end(reader, positions)
    finally:
        reader.close()
    return positions


def numbered(numbers: Iterable[int]) -> list[bytes]:
    """Distinct small JSON messages."""
    return [b'{"event":"api_request","n":%d}' % number for number in numbers]
