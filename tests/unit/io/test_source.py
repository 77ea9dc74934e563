"""What every source promises: a description that travels, and readers that lose and repeat nothing.

Each kind of `source_kinds.KINDS` is asked all of it, over a real folder, pipe or broker's protocol.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.events.model import Slice
from pipeline.io.files.source import FileSource
from pipeline.io.files.standard_input import StandardInput
from pipeline.io.kafka.client import KafkaAccess
from pipeline.io.kafka.source import KafkaSource
from pipeline.io.source import MEBIBYTE, Pace, Reader, Shard, Source
from pipeline.io.source_kinds import KINDS
from tests.unit.io.files.bench import key, messages
from tests.unit.io.kafka.broker import Broker
from tests.waiting import wait_for

SOURCES: dict[str, Source] = {
    "files": FileSource("logs", "api_request", ("/in",), Path("/state/claims"), key),
    "kafka": KafkaSource("stream", "session", "sessions", KafkaAccess(("broker:9092",))),
    "piped": StandardInput("input", "api_request"),
}
LINES = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


@dataclass
class Lake:
    """A lake that knows positions alone, and refuses what does not start where it stands."""

    positions: dict[str, int] = field(default_factory=dict)

    def ask(self, app_ids: Sequence[str]) -> list[int | None]:
        return [self.positions.get(app_id) for app_id in app_ids]

    def commit(self, reader: Reader, taken: Slice) -> None:
        self.take(taken)
        reader.committed(taken.span)

    def take(self, taken: Slice) -> None:
        """Move the position as a commit does, of whichever writer."""
        span = taken.span
        assert self.positions.get(span.app_id, span.start) == span.start
        self.positions |= {mark.app_id: mark.after for mark in span.marks}
        self.positions[span.app_id] = span.stop


@dataclass
class Held:
    """A source with `LINES` in it."""

    source: Source
    lake: Lake = field(default_factory=Lake)
    readers: list[Reader] = field(default_factory=list)

    def reader(self) -> Reader:
        (shard,) = self.source.shards(1)
        reader = self.source.open(shard, self.lake.ask, Pace(to_end=True), lambda: 1000.0)
        self.readers.append(reader)
        return reader

    def take(self, reader: Reader) -> list[bytes]:
        """Read and commit everything."""
        found: list[bytes] = []
        while (taken := polled(reader)) is not None:
            found += messages(taken)
            self.lake.commit(reader, taken)
        return found


def polled(reader: Reader) -> Slice | None:
    """The next slice; None at the end. A broker may need more than one look to answer."""
    found: list[Slice | None] = []

    def is_there() -> bool:
        found.append(reader.poll(0))
        return found[-1] is not None or reader.at_end()

    wait_for(is_there, "a slice or the end")
    return found[-1]


def files(folder: Path, stack: ExitStack) -> Held:
    del stack
    (folder / "in").mkdir()
    (folder / "in" / "a.ndjson").write_bytes(b"".join(line + b"\n" for line in LINES))
    claims = folder / "claims"
    return Held(FileSource("logs", "api_request", (str(folder / "in"),), claims, key))


def topic(folder: Path, stack: ExitStack) -> Held:
    del folder
    broker = stack.enter_context(Broker(partitions=1))
    broker.logs[0].put(*LINES)
    return Held(KafkaSource("stream", "api_request", broker.topic, broker.access))


def piped(folder: Path, stack: ExitStack) -> Held:
    del folder
    reads, writes = os.pipe()
    stack.callback(os.close, reads)
    os.write(writes, b"".join(line + b"\n" for line in LINES))
    os.close(writes)
    return Held(StandardInput("input", "api_request", descriptor=reads))


HOLDING: Mapping[str, Callable[[Path, ExitStack], Held]] = {
    "files": files,
    "a topic": topic,
    "a pipe": piped,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return SOURCES[request.param]


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_shards_are_numbered_and_at_most_one_for_each_worker(source: Source, workers: int) -> None:
    shards = source.shards(workers)
    assert 1 <= len(shards) <= workers
    assert list(shards) == [
        Shard(source.name, number, len(shards)) for number in range(len(shards))
    ]


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


@pytest.fixture(params=HOLDING)
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    with ExitStack() as stack:
        made = HOLDING[request.param](tmp_path, stack)
        yield made
        for reader in made.readers:
            reader.close()


def test_every_kind_of_the_registry_is_held_to_this() -> None:
    assert {kind.FLAGS_SAY[0] for kind in KINDS} <= set(HOLDING)


def test_everything_is_read_once_and_then_the_end_is_known(held: Held) -> None:
    reader = held.reader()
    assert held.take(reader) == LINES
    assert (reader.at_end(), reader.lag(), polled(reader)) == (True, 0, None)


def test_what_is_not_committed_comes_again_after_forget(held: Held) -> None:
    reader = held.reader()
    first = polled(reader)
    reader.forget()
    again = polled(reader)
    assert first is not None
    assert again is not None
    assert (again.span, messages(again)) == (first.span, messages(first))


@pytest.mark.parametrize("held", ["files", "a topic"], indirect=True)
def test_after_forget_the_lake_says_where_to_go_on(held: Held) -> None:
    """Another writer was faster: what it stored is not handed out again."""
    reader = held.reader()
    taken = polled(reader)
    assert taken is not None
    held.lake.take(taken)
    reader.forget()
    assert (polled(reader), reader.at_end()) == (None, True)


@pytest.mark.parametrize("held", ["files", "a topic"], indirect=True)
def test_a_reader_may_be_abandoned_at_any_moment(held: Held) -> None:
    """But for a pipe, which is gone with its reader, as its module says."""
    reader = held.reader()
    assert polled(reader) is not None
    reader.close()
    assert held.take(held.reader()) == LINES
    assert held.take(held.reader()) == []


def test_a_source_is_known_once_something_of_it_is_in_the_lake(held: Held) -> None:
    reader = held.reader()
    taken = polled(reader)
    assert taken is not None
    assert not reader.is_known()
    held.lake.commit(reader, taken)
    assert reader.is_known()


def test_a_reader_is_closed_twice_without_harm(held: Held) -> None:
    reader = held.reader()
    reader.poll(0)
    reader.close()
    reader.close()
