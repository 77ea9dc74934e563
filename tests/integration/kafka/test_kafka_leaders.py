"""Two brokers: partitions change their leader while they are read."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.source import Pace
from tests.integration.kafka.reading import Positions, numbered, open_reader, read_until, source
from tests.integration.services.kafka import Broker
from tests.waiting import wait_for


def test_a_reader_follows_its_partitions_to_other_leaders_and_back(tmp_path: Path) -> None:
    with Broker(tmp_path / "one") as first, Broker(tmp_path / "two", joins=first) as second:
        topic = first.create_topic("moving", 4, replicas=2)
        wait_for(lambda: set(first.leaders(topic)) == {1, 2}, "a share for each")

        def produce(start: int) -> None:
            for partition in range(4):
                values = numbered(range(start, start + 100))
                first.produce(topic, values, partition=partition, acks="all")

        positions = Positions()
        reader = open_reader(source(first, topic), positions, Pace(flush_seconds=0.2))
        produce(0)
        read_until(reader, positions, 400)
        second.kill()
        wait_for(lambda: set(first.leaders(topic)) == {1}, "the change of leaders")
        produce(100)
        read_until(reader, positions, 800, 60)
        second.start()
        wait_for(lambda: set(first.leaders(topic)) == {1, 2}, "the way back")
        produce(200)
        read_until(reader, positions, 1200, 60)
        reader.close()
        for partition in range(4):
            assert positions.values(partition) == numbered(range(300))
            assert positions.offsets(partition) == list(range(300))
