"""Batches that are damaged on the broker's disk, and fetches that fail half-way."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import errors as kafka_errors

from pipeline.errors import DamagedBatch
from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.raw_records import Run
from pipeline.io.source import Pace
from tests.integration.kafka.reading import (
    Positions,
    numbered,
    open_reader,
    read_all,
    read_to_end,
    source,
)
from tests.integration.kafka.telemetry import Installation, event
from tests.integration.services.kafka import Broker

Names = Callable[[], str]


def batches(segment: Path) -> Iterator[tuple[int, int, int]]:
    """Yield place, base offset and size of each batch in a file of messages."""
    content, place = segment.read_bytes(), 0
    while place + 12 <= len(content):
        base, length = struct.unpack_from(">qi", content, place)
        if length <= 0:
            return
        yield place, base, length + 12
        place += length + 12


def damage(broker: Broker, topic: str, offset: int, *, head: bool = False) -> None:
    """Change bytes of the batch that begins at `offset`, while the broker is down."""
    broker.stop()
    segment = broker.segment(topic)
    place, size = next((p, size) for p, base, size in batches(segment) if base == offset)
    with segment.open("r+b") as file:
        # The count of messages and the last offset are in the head, under the checksum.
        file.seek(place + (23 if head else size - 10))
        file.write(b"\xff\xff\xff" if head else b"damaged")
    broker.start()


def in_batches(
    broker: Broker, topic: str, total: int, each: int, make: Callable[[int], bytes]
) -> None:
    for start in range(0, total, each):
        broker.produce(topic, [make(n) for n in range(start, start + each)], linger_ms=500)


@pytest.mark.parametrize("head", [False, True])
def test_a_damaged_batch_is_named_and_passed_over_alone(tmp_path: Path, head: bool) -> None:
    with Broker(tmp_path / "broker") as broker:
        topic = broker.create_topic("damaged")
        installed = Installation(tmp_path)
        installed.configure(
            f"""
[sources.api]
event = "api_request"
servers = ["{broker.servers}"]
topic = "{topic}"
"""
        )
        in_batches(broker, topic, 200, 50, event)
        damage(broker, topic, 100, head=head)
        told = installed.run("run", "--once", expect=1)["error"]
        assert told["code"] == "damaged-batch"
        assert "messages 100 to 149" in told["what"]
        assert told["where"] == f"topic {topic}, partition 0"
        assert f"telemetry kafka gap --topic {topic} --partition 0 --to 150" in told["next"]
        assert installed.rows() == installed.position(topic) == 100
        gap = ["kafka", "gap", "--topic", topic, "--partition", "0", "--to"]
        assert "--to 150" in json.dumps(installed.run(*gap, "151", "--apply", expect=2))
        assert installed.run(*gap, "150", "--apply")["recorded"]
        assert installed.run("run", "--once")["written"] == 50
        assert installed.rows() == 150
        no_gap = installed.run(*gap, "210", "--apply", expect=2)
        assert "no gap" in json.dumps(no_gap)


def test_a_gap_is_refused_where_everything_can_be_read(
    broker: Broker, topic_name: Names, tmp_path: Path
) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, [event(n) for n in range(20)])
    installed = Installation(tmp_path)
    installed.configure("")
    words = ["kafka", "gap", "--topic", topic, "--partition", "0", "--to", "10", "--apply"]
    told = installed.run(*words, "--kafka", broker.servers, "--event", "api_request", expect=2)
    assert "can be read" in json.dumps(told)
    assert installed.position(topic) == 0


def test_the_first_batch_of_a_partition_can_be_damaged(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        topic = broker.create_topic("damaged")
        in_batches(broker, topic, 100, 50, lambda n: b'{"n":%d}' % n)
        damage(broker, topic, 0)
        with pytest.raises(DamagedBatch, match="messages 0 to 49"):
            read_all(broker, topic)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        kafka_errors.KafkaConnectionError,
        kafka_errors.NodeNotReadyError,
        kafka_errors.KafkaTimeoutError,
    ],
)
def test_a_fetch_that_fails_after_another_one_loses_nothing(
    broker: Broker,
    topic_name: Names,
    monkeypatch: pytest.MonkeyPatch,
    fault: type[Exception],
    raw: bool,
) -> None:
    topic = broker.create_topic(topic_name())
    for start in range(0, 3000, 1000):
        broker.produce(topic, numbered(range(start, start + 1000)))
    real, calls = PartitionFetch.fetch, [0]

    def failing(self: PartitionFetch, partition: int, room: int, wait: float) -> Run | None:
        calls[0] += 1
        if calls[0] % 3 == 2:
            raise fault
        return real(self, partition, min(room, 1000), wait)

    monkeypatch.setattr(PartitionFetch, "fetch", failing)
    monkeypatch.setattr("pipeline.io.kafka.fetch.FETCH_BYTES", 4096)
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(slice_bytes=4000, to_end=True))
    if not raw:
        while reader._fetch is None:
            reader.poll(0)
            reader.forget()
        reader._fetch._use_public_path()
    read_to_end(reader, positions)
    reader.close()
    assert positions.offsets() == list(range(3000))
    assert positions.values() == numbered(range(3000))


def test_a_topic_that_cannot_be_looked_up_after_a_fetch_is_read_again(
    broker: Broker, topic_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(500)))
    real, calls = PartitionFetch.look_again, [0]

    def failing(self: PartitionFetch, timeout_ms: int = 10_000) -> None:
        calls[0] += 1
        if calls[0] == 1:
            raise kafka_errors.KafkaTimeoutError
        real(self, timeout_ms)

    monkeypatch.setattr(PartitionFetch, "look_again", failing)
    assert read_all(broker, topic).values() == numbered(range(500))
    assert calls[0] >= 2
