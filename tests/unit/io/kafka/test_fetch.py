"""Fetching one partition at a time: whole batches, positions, ends, damage, the public path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest

from pipeline.io.kafka.fetch import PartitionFetch
from pipeline.io.kafka.raw_records import BadBatch
from pipeline.io.source import Pace
from tests.unit.io.kafka.broker import TIME_MS, Broker

PACE = Pace(slice_bytes=1 << 20)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(partitions=2) as broker:
        yield broker


@pytest.fixture(params=[True, False], ids=["raw", "public"])
def fetch(request: pytest.FixtureRequest, broker: Broker) -> Iterator[PartitionFetch]:
    fetch = PartitionFetch(broker.access, broker.topic, raw=request.param)
    yield fetch
    fetch.close()


def drained(
    fetch: PartitionFetch, partition: int, start: int, stop: int
) -> list[tuple[int, bytes]]:
    fetch.start_at({partition: start})
    run = fetch.drain(partition, start, stop, PACE, lambda: 0.0)
    return list(chain.from_iterable(run.parts))


def test_partitions_are_read_one_at_a_time_from_where_they_are_wanted(
    broker: Broker, fetch: PartitionFetch
) -> None:
    broker.logs[0].put(b"a", b"b")
    broker.logs[0].put(b"c")
    broker.logs[1].put(b"x", b"y")
    assert fetch.partitions() == {0, 1}
    assert drained(fetch, 0, 0, 3) == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert drained(fetch, 1, 1, 2) == [(1, b"y")]
    assert (fetch.position(0), fetch.position(1), fetch.epoch(1)) == (3, 2, 0)


def test_begins_and_ends_are_those_of_the_logs(broker: Broker, fetch: PartitionFetch) -> None:
    broker.logs[0].put(b"a", b"b", b"c")
    broker.logs[0].forget(2)
    assert (fetch.begins([0, 1]), fetch.ends([0, 1])) == ({0: 2, 1: 0}, {0: 3, 1: 0})
    assert fetch.ends([]) == {}


def test_a_topic_that_was_created_again_has_another_id(
    broker: Broker, fetch: PartitionFetch
) -> None:
    fetch.look_again()
    assert fetch.topic_id() == broker.topic_id
    before = broker.topic_id
    broker.recreate()
    fetch.look_again()
    assert fetch.topic_id() == broker.topic_id != before


def test_a_run_ends_with_the_batch_that_fills_its_room(broker: Broker) -> None:
    for _ in range(3):
        broker.logs[0].put(b"x" * 100, b"y" * 100)
    fetch = PartitionFetch(broker.access, broker.topic)
    try:
        fetch.start_at({0: 0})
        run = fetch.fetch(0, room=1, wait=0.5)
        assert run is not None
        assert (len(run), fetch.position(0), run.oldest_ms) == (2, 2, TIME_MS)
    finally:
        fetch.close()


def test_a_damaged_batch_ends_the_run_before_it_and_is_raised_where_nothing_stands_before(
    broker: Broker,
) -> None:
    broker.logs[0].put(b"a", b"b")
    broker.logs[0].put_damaged(b"c", b"d", b"e")
    broker.logs[0].put(b"f")
    fetch = PartitionFetch(broker.access, broker.topic)
    try:
        assert drained(fetch, 0, 0, 6) == [(0, b"a"), (1, b"b")]
        with pytest.raises(BadBatch) as caught:
            drained(fetch, 0, 2, 6)
        assert (caught.value.start, caught.value.stop) == (2, 5)
    finally:
        fetch.close()


def test_a_client_without_the_hook_is_read_by_the_public_path(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.logs[0].put(b"a")
    fetch = PartitionFetch(broker.access, broker.topic)
    try:
        fetch._consumer._fetcher.PartitionRecords = lambda *_, **__: _raise()
        fetch.start_at({0: 0})
        assert fetch.fetch(0, room=10, wait=0.5) is None
        assert not fetch.raw
        assert "public path" in caplog.text
        assert drained(fetch, 0, 0, 1) == [(0, b"a")]
    finally:
        fetch.close()


def _raise() -> None:
    raise AttributeError("a name that the next version lacks")
