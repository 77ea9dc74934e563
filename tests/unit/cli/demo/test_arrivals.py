"""The demo's input day by day: which file is read when, and what the lake and its log say then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.cli.demo.arrivals import DailyFiles, StoryClock, end_of, taken_in_on
from pipeline.events.model import Slice
from pipeline.io.files.source import FileSource
from pipeline.io.source import Pace, Reader

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAYS = ("2026-11-22", "2026-11-23", "2026-11-24")


def key() -> bytes:
    return bytes(32)


@pytest.fixture
def story() -> StoryClock:
    return StoryClock(datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def reader(tmp_path: Path, story: StoryClock) -> Iterator[Reader]:
    folder = tmp_path / "input"
    folder.mkdir()
    for day in reversed(DAYS):
        (folder / f"{day}.ndjson").write_text(f"{day}\n" * 3)
    files = FileSource("requests", "api_request", (str(folder),), tmp_path / "claims", key)
    source = DailyFiles(files, story, NOW)
    [shard] = source.shards(1)
    opened = source.open(shard, lambda ids: [None] * len(ids), Pace(to_end=True), time.monotonic)
    yield opened
    opened.close()


def read(reader: Reader) -> Iterator[Slice]:
    while not reader.at_end():
        taken = reader.poll(0)
        if taken is not None:
            yield taken
            reader.committed(taken.span)


def test_days_are_read_in_order_each_at_its_own_time(reader: Reader, story: StoryClock) -> None:
    assert reader.lag() == 3 * 3 * 11
    seen = [(bytes(one.data[:10]).decode(), story().isoformat()) for one in read(reader)]
    assert seen == [
        ("2026-11-22", "2026-11-22T23:59:59+00:00"),
        ("2026-11-23", "2026-11-23T23:59:59+00:00"),
        ("2026-11-24", "2026-11-24T12:00:00+00:00"),
    ]
    assert reader.lag() == 0


def test_a_slice_that_did_not_land_is_read_again(reader: Reader, story: StoryClock) -> None:
    first = reader.poll(0)
    reader.forget()
    again = reader.poll(0)
    assert first is not None
    assert again is not None
    assert again.span == first.span
    assert story().date() == date(2026, 11, 22)


def test_whatever_is_older_than_the_installation_comes_on_its_first_day() -> None:
    begin, end = date(2026, 9, 25), date(2026, 11, 24)
    assert taken_in_on(begin, begin, end) == date(2026, 10, 27)
    assert taken_in_on(date(2026, 11, 2), begin, end) == date(2026, 11, 2)
    short = date(2026, 11, 20)
    assert taken_in_on(short, short, end) == short


def test_the_last_day_is_read_now() -> None:
    assert end_of(NOW.date(), NOW) == NOW
