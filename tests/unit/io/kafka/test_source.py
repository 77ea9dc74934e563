"""A topic as a source: a description that travels, and opens nothing before it is polled."""

from __future__ import annotations

import pickle
from functools import partial

from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.reader import KafkaReader
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.source import Pace, Shard

ACCESS = KafkaAccess(
    ("127.0.0.1:1",),
    protocol="SASL_SSL",
    username=partial(str, "user"),
    password=partial(str, "pw"),
)
SOURCE = KafkaSource("stream", "session", "sessions", ACCESS, group="lag")


def test_every_process_has_a_shard_also_beyond_the_partitions() -> None:
    """One without partitions waits for those that are added."""
    assert SOURCE.shards(3) == [Shard("stream", number, 3) for number in range(3)]


def test_it_travels_with_references_to_its_secrets_and_shows_none() -> None:
    travelled = pickle.loads(pickle.dumps(SOURCE))
    assert (travelled.topic, travelled.event, travelled.group) == ("sessions", "session", "lag")
    assert travelled.access.password() == "pw"
    assert "pw" not in repr(SOURCE)


def test_opening_a_shard_connects_nowhere_and_asks_no_lake() -> None:
    asked: list[object] = []

    def positions(app_ids: object) -> list[int | None]:
        asked.append(app_ids)
        return []

    reader = SOURCE.open(SOURCE.shards(1)[0], positions, Pace(), lambda: 0.0)
    try:
        assert isinstance(reader, KafkaReader)
        assert asked == []
    finally:
        reader.close()
