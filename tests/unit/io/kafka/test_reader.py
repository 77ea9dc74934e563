"""A reader of a topic: from where the lake stands, at the pace of the flush interval.

Brokers that fail, leaders that change and processes that are killed are tested with a real broker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pipeline.errors import DamagedBatch, EnvironmentProblem, PositionGap, TopicReplaced
from pipeline.events.model import Slice
from pipeline.io.kafka.identity import Stand
from pipeline.io.kafka.reader import LOOK_SECONDS, STAYS_SECONDS, KafkaReader
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.source import Pace, Shard
from tests.unit.io.kafka.broker import Broker


class Stage:
    """A broker, the positions of a lake, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.broker = Broker(partitions=2)
        self.lake: dict[str, int] = {}
        self.now = 1000.0
        self.readers: list[KafkaReader] = []

    def positions(self, app_ids: Sequence[str]) -> list[int | None]:
        return [self.lake.get(one) for one in app_ids]

    def reader(self, *, to_end: bool = True, index: int = 0, count: int = 1) -> KafkaReader:
        source = KafkaSource("api", "api_request", "t", self.broker.access)
        pace = Pace(slice_bytes=1 << 20, flush_seconds=15.0, to_end=to_end)
        shard = Shard("api", index, count)
        reader = source.open(shard, self.positions, pace, lambda: self.now)
        assert isinstance(reader, KafkaReader)
        self.readers.append(reader)
        return reader

    def commit(self, reader: KafkaReader, taken: Slice) -> None:
        self.lake[f"kafka/t/{taken.span.partition}"] = taken.span.stop
        self.lake |= {mark.app_id: mark.after for mark in taken.span.marks}
        reader.committed(taken.span)

    def take(self, reader: KafkaReader) -> list[bytes]:
        found = []
        while (taken := reader.poll(0)) is not None:
            found += values(taken)
            self.commit(reader, taken)
        return found


def values(taken: Slice) -> list[bytes]:
    pairs = zip(taken.starts.tolist(), taken.ends.tolist(), strict=True)
    return [bytes(taken.data[start:end]) for start, end in pairs]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    with stage.broker:
        yield stage
        for reader in stage.readers:
            reader.close()


def test_a_topic_is_read_to_its_end_once(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a", b"b")
    stage.broker.logs[1].put(b"x")
    reader = stage.reader()
    assert not reader.at_end()
    assert sorted(stage.take(reader)) == [b"a", b"b", b"x"]
    assert reader.at_end()
    assert reader.lag() == 0
    assert stage.lake["kafka/t/0"] == 2
    assert stage.take(stage.reader()) == []


def test_a_shard_reads_its_partitions_alone(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    stage.broker.logs[1].put(b"x")
    assert stage.take(stage.reader(index=1, count=2)) == [b"x"]
    assert stage.take(stage.reader(index=0, count=2)) == [b"a"]


def test_a_small_backlog_waits_for_the_flush_interval(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    reader = stage.reader(to_end=False)
    assert stage.take(reader) == [b"a"]
    stage.broker.logs[0].put(b"b")
    stage.now += LOOK_SECONDS
    assert reader.poll(0) is None
    assert reader.lag() == 1
    stage.now += 15
    assert stage.take(reader) == [b"b"]


def test_flushing_makes_everything_due(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    reader = stage.reader(to_end=False)
    assert stage.take(reader) == [b"a"]
    stage.broker.logs[0].put(b"b")
    stage.now += LOOK_SECONDS
    reader.flush()
    assert stage.take(reader) == [b"b"]


def test_what_was_not_committed_is_read_again(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a", b"b")
    reader = stage.reader()
    first = reader.poll(0)
    assert first is not None
    reader.forget()
    again = reader.poll(0)
    assert again is not None
    assert (again.span, values(again)) == (first.span, [b"a", b"b"])


def test_messages_that_retention_took_stop_the_reader(stage: Stage) -> None:
    stage.lake["kafka/t/0"] = 1
    stage.broker.logs[0].put(b"a", b"b", b"c")
    stage.broker.logs[0].put(b"d")
    stage.broker.logs[0].forget(3)
    with pytest.raises(PositionGap):
        stage.reader().poll(0)


def test_a_topic_that_was_created_again_stops_the_reader(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    assert stage.take(stage.reader()) == [b"a"]
    stage.broker.recreate()
    stage.broker.logs[0].put(b"b", b"c")
    with pytest.raises(TopicReplaced):
        stage.reader().poll(0)


def test_an_end_before_the_position_stops_the_reader_only_if_it_stays(stage: Stage) -> None:
    stage.lake["kafka/t/0"] = 5
    reader = stage.reader(to_end=False)
    assert reader.poll(0) is None
    assert not reader.at_end()
    stage.now += STAYS_SECONDS
    with pytest.raises(TopicReplaced):
        reader.poll(0)


def test_a_damaged_batch_is_told_after_what_stands_before_it(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    stage.broker.logs[0].put_damaged(b"b", b"c")
    reader = stage.reader()
    taken = reader.poll(0)
    assert taken is not None
    assert values(taken) == [b"a"]
    stage.commit(reader, taken)
    with pytest.raises(DamagedBatch, match="--to 3"):
        reader.poll(0)


def test_a_position_carries_the_topic_that_it_belongs_to(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    taken = stage.reader().poll(0)
    assert taken is not None
    before = Stand("kafka/t/0", None, None, None)
    assert taken.span.marks == before.marks(stage.broker.topic_id, 0)


def test_a_first_start_without_a_broker_says_so_and_does_not_wait() -> None:
    def refused() -> None:
        raise EnvironmentProblem("Kafka does not answer", why="nobody listens")

    reader = KafkaReader(
        refused,  # type: ignore[arg-type]
        "t",
        "api_request",
        index=0,
        count=1,
        positions=lambda ids: [None] * len(ids),
        pace=Pace(to_end=True),
        clock=lambda: 0.0,
    )
    with pytest.raises(EnvironmentProblem, match="does not answer"):
        reader.poll(0)


def test_a_topic_is_known_by_any_of_its_partitions(stage: Stage) -> None:
    stage.broker.logs[0].put(b"a")
    stage.broker.logs[1].put(b"b")
    first, second = (stage.reader(index=index, count=2) for index in (0, 1))
    assert second.poll(0) is not None
    assert not second.is_known()
    assert stage.take(first) == [b"a"]
    assert second.is_known()
