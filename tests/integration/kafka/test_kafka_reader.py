"""The reader against a real broker: every message once, whatever the log looks like."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest

from pipeline.errors import EnvironmentProblem, PositionGap, SourceError
from pipeline.io.kafka import raw_records, record_batch
from pipeline.io.kafka import reader as kafka_reader
from pipeline.io.source import Pace
from tests.integration.kafka.reading import (
    Positions,
    numbered,
    open_reader,
    read_all,
    read_to_end,
    read_until,
    source,
)
from tests.integration.services.kafka import Broker

Names = Callable[[], str]

AWKWARD: list[bytes | None] = [
    b"{}",
    None,
    b"",
    b'{"a":\n1}',
    b"\xff\xfe\x00",
    b"x" * 70_000,
    b"\n",
    b"plain",
    b"y" * 127,
    b"y" * 128,
    b"y" * 16_384,
]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("raw", [True, False])
def test_every_codec_gives_the_bytes_that_were_sent(
    broker: Broker, topic_name: Names, codec: str, raw: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.create_topic(topic_name())
    values = AWKWARD * 40
    keys = [None if n % 3 else b"k" * (n % 300) for n in range(len(values))]
    broker.produce(topic, values, keys=keys, compression_type=codec)
    if not raw:
        _break_the_hook(monkeypatch)
    found = read_all(broker, topic)
    assert found.values() == [value or b"" for value in values]
    assert found.offsets() == list(range(len(values)))


def _break_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(*_: object) -> None:
        raise raw_records.RawPathBroken

    monkeypatch.setattr(raw_records, "_compare", differs)


def test_headers_and_keys_are_passed_over(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    producer = broker.producer()
    for number in range(50):
        headers: list[tuple[str, str | bytes | None]] = [
            ("h" * number, b"v" * number),
            ("none", None),
        ]
        producer.produce(topic, b"value-%d" % number, key=b"k" * 200, headers=headers)
    producer.flush()
    assert read_all(broker, topic).values() == [b"value-%d" % n for n in range(50)]


def test_a_raw_path_that_reads_something_else_is_left(
    broker: Broker, topic_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.create_topic(topic_name())
    values = numbered(range(500))
    broker.produce(topic, values)

    def wrong(records: bytes, count: int, base: int, out: list[bytes], offsets: list[int]) -> None:
        out.extend([b"wrong"] * count)
        offsets.extend(range(base, base + count))

    monkeypatch.setattr(record_batch, "unpack", wrong)
    positions = Positions()
    reader = open_reader(source(broker, topic), positions)
    read_to_end(reader, positions)
    assert positions.values() == values
    assert reader._fetch is not None
    assert not reader._fetch.raw
    reader.close()


def test_a_reader_goes_on_in_the_middle_of_a_batch(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    values = numbered(range(1000))
    broker.produce(topic, values, linger_ms=500, compression_type="lz4")
    for start in (1, 500, 999):
        positions = Positions({f"kafka/{topic}/0": start})
        read_all(broker, topic, positions)
        assert positions.values() == values[start:]
        assert positions.offsets() == list(range(start, 1000))


def test_aborted_messages_are_left_out_and_positions_pass_the_markers(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name())
    _transactions(broker, topic, [(b"kept", True), (b"lost", False), (b"kept", True)])
    found = read_all(broker, topic, committed_only=True)
    assert found.values() == [b"kept"] * 20
    assert found.of[f"kafka/{topic}/0"] == broker.offsets(topic)[1] == 33
    everything = read_all(broker, topic)
    assert everything.values() == [b"kept"] * 10 + [b"lost"] * 10 + [b"kept"] * 10
    # Markers alone move the position, too: otherwise retention would look like a loss.
    _transactions(broker, topic, [(b"lost", False)])
    read_all(broker, topic, found, committed_only=True)
    assert found.values() == [b"kept"] * 20
    assert found.of[f"kafka/{topic}/0"] == broker.offsets(topic)[1]


def test_an_open_transaction_holds_the_reader_back(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    producer = broker.producer(transactional_id=topic)
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush(30)
    broker.produce(topic, [b"after"])
    assert read_all(broker, topic, committed_only=True).values() == []
    producer.commit_transaction(30)
    assert read_all(broker, topic, committed_only=True).values() == [b"open", b"after"]


def _transactions(broker: Broker, topic: str, parts: list[tuple[bytes, bool]]) -> None:
    producer = broker.producer(transactional_id=f"{topic}-{time.monotonic_ns()}")
    producer.init_transactions(30)
    for value, commit in parts:
        producer.begin_transaction()
        for _ in range(10):
            producer.produce(topic, value)
        producer.flush(30)
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


def test_positions_go_over_the_holes_that_compaction_leaves(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(
        topic_name(),
        config={
            "cleanup.policy": "compact",
            "segment.ms": "200",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "100",
        },
    )
    keys: list[bytes | None] = [b"%d" % (n % 5) for n in range(2000)]
    broker.produce(topic, numbered(range(2000)), keys=keys)
    deadline = time.monotonic() + 60
    found = Positions()
    while time.monotonic() < deadline:
        time.sleep(1)
        broker.produce(topic, [b"{}"], keys=[b"roll"])
        found = read_all(broker, topic)
        if len(found.values()) < 1000:
            break
    assert len(found.values()) < 1000, "the broker did not compact"
    assert found.of[f"kafka/{topic}/0"] == broker.offsets(topic)[1]
    # From inside a hole it goes on with what is left.
    middle = Positions({f"kafka/{topic}/0": 100})
    read_all(broker, topic, middle)
    assert middle.values() == [v for o, v in found.messages[0] if o >= 100]


def test_messages_that_retention_took_stop_the_shard_and_are_named(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(100)))
    positions = read_all(broker, topic)
    broker.produce(topic, numbered(range(100, 200)))
    broker.delete_records(topic, 0, 150)
    with pytest.raises(PositionGap) as caught:
        read_all(broker, topic, positions)
    text = str(caught.value)
    assert f"Messages 100 to 149 are gone at topic {topic}, partition 0" in text
    assert f"telemetry kafka gap --topic {topic} --partition 0 --to 150" in text
    assert len(positions.values()) == 100


def test_retention_that_overtakes_a_running_reader_stops_it(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(10)))
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.5))
    read_until(reader, positions, 10)
    broker.produce(topic, numbered(range(10, 30)))
    broker.delete_records(topic, 0, 20)
    with pytest.raises(PositionGap):
        read_until(reader, positions, 30, 15)
    reader.close()


def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(5)))
    with pytest.raises(SourceError, match="past the partition's end 5"):
        read_all(broker, topic, Positions({f"kafka/{topic}/0": 1000}))


def test_a_topic_that_is_not_there_is_named(broker: Broker, topic_name: Names) -> None:
    topic = topic_name()
    with pytest.raises(EnvironmentProblem, match=f"topic {topic}"):
        read_all(broker, topic)


def test_shards_share_the_partitions_without_gap_or_overlap(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name(), 5)
    for partition in range(5):
        broker.produce(topic, [b"%d" % partition] * 3, partition=partition)
    seen: list[int] = []
    for index in range(3):
        positions = Positions()
        reader = open_reader(source(broker, topic), positions, index=index, of=3)
        read_to_end(reader, positions)
        reader.close()
        assert all(p % 3 == index for p in positions.messages)
        seen += positions.messages
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_new_partitions_are_found_by_a_running_reader_from_their_beginning(
    broker: Broker, topic_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.create_topic(topic_name(), 1)
    broker.produce(topic, [b"old"])
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.2))
    read_until(reader, positions, 1)
    broker.add_partitions(topic, 3)
    for partition in (1, 2):
        broker.produce(topic, numbered(range(50)), partition=partition)
    read_until(reader, positions, 101, 45)
    assert positions.values(1) == positions.values(2) == numbered(range(50))
    assert positions.values(0) == [b"old"]
    reader.close()


def marks(topic: str) -> set[str]:
    """What is kept beside the position of partition 0: whose topic it is, and which leader's."""
    return {f"kafka/{topic}/0/{mark}" for mark in ("id-high", "id-low", "epoch")}


def test_latest_begins_at_the_end_and_remembers_it(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, [b"before"] * 7)
    positions = read_all(broker, topic, latest=True)
    assert positions.of.keys() - marks(topic) == {f"kafka/{topic}/0"}
    assert positions.of[f"kafka/{topic}/0"] == 7
    broker.produce(topic, [b"after"])
    read_all(broker, topic, positions, latest=True)
    assert positions.values() == [b"after"]


def test_a_first_start_begins_at_the_earliest_message(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(20)))
    broker.delete_records(topic, 0, 15)
    found = read_all(broker, topic)
    assert found.offsets() == [15, 16, 17, 18, 19]
    assert found.of.keys() - marks(topic) == {f"kafka/{topic}/0"}
    assert found.of[f"kafka/{topic}/0"] == 20


@pytest.mark.parametrize(("leave", "come_back"), [("kill", "start"), ("freeze", "thaw")])
def test_a_broker_that_goes_away_is_waited_for(
    broker: Broker, topic_name: Names, leave: str, come_back: str
) -> None:
    topic = broker.create_topic(topic_name(), 2)
    broker.produce(topic, numbered(range(100)))
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.2))
    read_until(reader, positions, 100)
    getattr(broker, leave)()
    try:
        for _ in range(10):
            assert reader.poll(0.3) is None
    finally:
        getattr(broker, come_back)()
    broker.produce(topic, numbered(range(100, 200)), partition=0)
    broker.produce(topic, numbered(range(100)), partition=1)
    read_until(reader, positions, 300)
    assert positions.values(0) == numbered(range(200))
    assert positions.values(1) == numbered(range(100))
    reader.close()


def test_forget_starts_again_where_the_lake_stands(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name())
    broker.produce(topic, numbered(range(100)))
    positions = Positions()
    reader = open_reader(source(broker, topic), positions)
    lost = reader.poll(1.0)
    assert lost is not None
    assert len(lost) == 100
    # Somebody else committed half of it meanwhile.
    positions.of[f"kafka/{topic}/0"] = 50
    reader.forget()
    read_to_end(reader, positions)
    assert positions.values() == numbered(range(50, 100))
    reader.close()


def test_an_idle_reader_asks_once_a_second_and_fetches_nothing(
    broker: Broker, topic_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = broker.create_topic(topic_name(), 4)
    broker.produce(topic, [b"x"])
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=0.2))
    read_until(reader, positions, 1)
    asked: list[str] = []
    _count(monkeypatch, reader, "ends", asked)
    _count(monkeypatch, reader, "fetch", asked)
    used = time.process_time()
    began = time.monotonic()
    rounds = 0
    while time.monotonic() - began < 5:
        assert reader.poll(0.3) is None
        rounds += 1
    assert rounds <= 18
    assert asked.count("ends") <= 6
    assert asked.count("fetch") == 0
    assert time.process_time() - used < 1.0
    reader.close()


def _count(
    monkeypatch: pytest.MonkeyPatch, reader: kafka_reader.KafkaReader, name: str, calls: list[str]
) -> None:
    fetch: Any = reader._fetch
    original = getattr(fetch, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return original(*args, **kwargs)

    monkeypatch.setattr(fetch, name, counted)


def test_small_partitions_are_committed_once_in_a_flush_interval(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name(), 64)
    producer = broker.producer()
    positions = Positions()
    reader = open_reader(source(broker, topic), positions, Pace(flush_seconds=3.0))
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < 8:
        for partition in range(64):
            producer.produce(topic, b"x" * 200, partition=partition)
            sent += 1
        producer.poll(0)
        cut = reader.poll(0.02)
        if cut is not None:
            positions.commit(cut)
            reader.committed(cut.span)
    producer.flush()
    reader.flush()
    read_until(reader, positions, sent)
    # 8 s at 3 s each: at most 4 rounds of 64 partitions and the last one.
    assert positions.slices <= 64 * 5
    assert reader.lag() == 0
    reader.close()


def test_a_huge_backlog_is_cut_by_size_and_left_in_kafka(broker: Broker, topic_name: Names) -> None:
    topic = broker.create_topic(topic_name(), 4)
    value = b"z" * 1000
    broker.produce(topic, [value] * 120_000, partition=0, compression_type="lz4")
    for partition in (1, 2, 3):
        broker.produce(topic, [value] * 500, partition=partition)
    positions = Positions()
    pace = Pace(slice_bytes=8 * 2**20, flush_seconds=3600)
    reader = open_reader(source(broker, topic), positions, pace)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts: dict[int, int] = {}
    first: list[int] = []
    while sum(counts.values()) < 121_500:
        cut = reader.poll(0.1)
        if cut is None:
            continue
        # One record batch (1 MB by default) may exceed the size.
        assert len(cut.data) <= 8 * 2**20 + 2 * 2**20
        first.append(cut.span.partition)
        counts[cut.span.partition] = counts.get(cut.span.partition, 0) + len(cut)
        positions.of[cut.span.app_id] = cut.span.stop
        reader.committed(cut.span)
    assert counts == {0: 120_000, 1: 500, 2: 500, 3: 500}
    # The small ones do not wait until the huge one is done.
    assert {1, 2, 3} <= set(first[: len(first) // 2])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 150, f"grew by {grown} MiB"
    reader.close()


def test_a_batch_that_unpacks_to_gigabytes_is_read_within_bounds(
    broker: Broker, topic_name: Names
) -> None:
    topic = broker.create_topic(topic_name(), config={"max.message.bytes": str(300 * 2**20)})
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": broker.servers,
            "compression.type": "gzip",
            "message.max.bytes": 200 * 2**20,
            "batch.size": 200 * 2**20,
            "linger.ms": 1000,
        }
    )
    bomb = bytes(90 * 2**20)
    producer.produce(topic, bomb)
    producer.produce(topic, b"after")
    producer.flush(60)
    found = read_all(broker, topic)
    assert [len(value) for value in found.values()] == [65_537, 5]
