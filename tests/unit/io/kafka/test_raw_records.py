"""The hooked parser reads what the client's own reads, and stops where that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords

from pipeline.io.kafka.messages import of_values
from pipeline.io.kafka.raw_records import (
    BadBatch,
    RawPathBroken,
    Run,
    _compare,
    raw_records,
)
from tests.unit.io.kafka.broker import TIME_MS, Log

PUBLIC = Fetcher.PartitionRecords
AT = TopicPartition("t", 0)


def parsed(log: Log, start: int = 0, room: int = 1 << 20, by: Any = None) -> Any:
    kind = raw_records(PUBLIC, lambda: room) if by is None else by
    return kind(start, AT, MemoryRecords(log.records(start)), check_crcs=True)


def runs(log: Log, start: int = 0, room: int = 1 << 20) -> Iterator[Run]:
    yield from parsed(log, start, room).record_iterator


def messages(found: list[Run]) -> list[tuple[int, bytes]]:
    return list(chain.from_iterable(part for run in found for part in run.parts))


@pytest.fixture
def log() -> Log:
    log = Log()
    log.put(b"a" * 10, b"b" * 10)
    log.put(b"c" * 10, time_ms=TIME_MS - 5)
    log.put(b"d" * 10, b"")
    return log


@pytest.mark.parametrize("start", range(5))
def test_messages_and_offsets_are_those_of_the_public_parser(log: Log, start: int) -> None:
    public = parsed(log, start, by=PUBLIC).record_iterator
    expected = [(record.offset, record.value) for record in public if record.offset >= start]
    assert messages(list(runs(log, start))) == expected


def test_a_run_ends_with_the_batch_that_fills_the_room(log: Log) -> None:
    found = list(runs(log, room=21))
    assert [len(run) for run in found] == [2, 3]
    assert [run.oldest_ms for run in found] == [TIME_MS, TIME_MS - 5]


def test_damage_is_told_with_its_place_after_what_is_good(log: Log) -> None:
    log.put_damaged(b"e", b"f")
    log.put(b"g")
    found: list[Run] = []
    with pytest.raises(BadBatch) as caught:
        for run in runs(log):
            found.append(run)
    assert [offset for offset, _ in messages(found)] == [0, 1, 2, 3, 4]
    assert (caught.value.start, caught.value.stop) == (5, 7)


def test_a_parser_of_another_shape_is_refused() -> None:
    with pytest.raises(AttributeError):
        raw_records(object, lambda: 1)


def test_a_run_that_reads_otherwise_than_the_public_parser_is_broken(log: Log) -> None:
    def expected() -> Iterator[Any]:
        return iter(parsed(log, by=PUBLIC).record_iterator)

    run, wrong, short = Run(), Run(), Run()
    values = [value for _, value in messages(list(runs(log)))]
    run.add(of_values(values, range(5)), 41)
    wrong.add(of_values([*values[:4], b"x"], range(5)), 41)
    short.add(of_values(values[:4], range(4)), 40)
    _compare(run, 5, expected())
    for other in (wrong, short):
        with pytest.raises(RawPathBroken):
            _compare(other, 5, expected())
