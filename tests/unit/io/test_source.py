"""Every source is a description: it travels to a worker, which picks its own share of it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.io.files.source import FileSource
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.source import MEBIBYTE, Pace, Shard, Source
from tests.unit.io.files.bench import key

SOURCES: dict[str, Source] = {
    "files": FileSource("logs", "api_request", ("/in",), Path("/state/claims"), key),
    "kafka": KafkaSource("stream", "session", "sessions", KafkaAccess(("broker:9092",))),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_shards_are_numbered_and_at_most_one_for_each_worker(source: Source, workers: int) -> None:
    shards = source.shards(workers)
    assert 1 <= len(shards) <= workers
    assert list(shards) == [Shard(source.name, number, len(shards)) for number in range(workers)]


def test_every_process_finds_the_same_shards(source: Source) -> None:
    """A worker knows its number alone: it computes the shards and takes its own."""
    travelled = pickle.loads(pickle.dumps(source))
    assert list(travelled.shards(3)) == list(source.shards(3))
    assert (travelled.name, travelled.event) == (source.name, source.event)


def test_a_source_does_not_change_on_its_way(source: Source) -> None:
    assert pickle.loads(pickle.dumps(source)) == source


def test_a_shard_is_a_key_that_survives_a_pickle() -> None:
    shard = Shard("logs", 0, 1)
    assert {pickle.loads(pickle.dumps(shard)): "mine"}[shard] == "mine"


def test_a_slice_is_bounded_unless_somebody_says_otherwise() -> None:
    pace = Pace()
    assert (pace.slice_bytes, pace.flush_seconds, pace.to_end) == (64 * MEBIBYTE, 15.0, False)
