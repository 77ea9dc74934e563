"""The tutorial of Kafka is followed to the letter, against a broker."""

from __future__ import annotations

from pathlib import Path

from tests.docs.test_tutorials import follow, reads
from tests.integration.services.kafka import Broker


def test_a_topic_is_read_once_and_an_opt_out_is_known(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        broker.create_topic("telemetry.api_request", 2)
        place = tmp_path / "place"
        place.mkdir()
        told = follow("kafka.md", place, BROKER=broker.servers)
    assert reads(told) == [2000, 0, 500]
    assert "2,500" in told[-1]
