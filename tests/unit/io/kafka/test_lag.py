"""How far a topic is in the lake: what waits, what retention took, and since when."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.io.kafka.lag import PartitionLag, partition_lags
from tests.unit.io.kafka.broker import TIME_MS, Broker

NOW = datetime.fromtimestamp(TIME_MS / 1000 + 30, UTC)


def test_position_end_and_age_of_the_oldest_unread_message() -> None:
    with Broker(partitions=3) as broker:
        broker.logs[0].put(b"a", b"b")
        broker.logs[0].put(b"c", time_ms=TIME_MS + 20_000)
        broker.logs[1].put(b"x")
        positions = {"kafka/t/0": 2, "kafka/t/1": 1}
        assert partition_lags(broker.access, "api", "t", positions.get, NOW) == [
            PartitionLag("api", "t", 0, 2, 3, 1, 0, 10.0),
            PartitionLag("api", "t", 1, 1, 1, 0, 0, None),
            PartitionLag("api", "t", 2, None, 0, 0, 0, None),
        ]


def test_what_retention_took_is_lost_and_waits_no_more() -> None:
    with Broker() as broker:
        broker.logs[0].put(b"a", b"b")
        broker.logs[0].put(b"c")
        broker.logs[0].forget(2)
        (one,) = partition_lags(broker.access, "api", "t", {"kafka/t/0": 1}.get, NOW)
        assert (one.lost, one.lag, one.position) == (1, 1, 1)
