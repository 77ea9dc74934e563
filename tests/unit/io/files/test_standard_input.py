"""Standard input is read to its end, in slices that are handed out until they are committed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pipeline.errors import SourceError
from pipeline.events.model import Slice
from pipeline.io.files.standard_input import StandardInput, StandardInputReader
from pipeline.io.source import Pace


@dataclass
class Pipe:
    """A pipe whose writing end the test holds, and a clock that it moves."""

    reads: int
    writes: int
    now: float = 100.0
    readers: list[StandardInputReader] = field(default_factory=list)

    def reader(self, slice_bytes: int = 1 << 20, header: bytes = b"") -> StandardInputReader:
        source = StandardInput("input", "api_request", header, self.reads)
        (shard,) = source.shards(3)
        return source.open(shard, _never, Pace(slice_bytes, 15.0, to_end=True), lambda: self.now)

    def write(self, data: bytes) -> None:
        os.write(self.writes, data)

    def end(self) -> None:
        os.close(self.writes)


def _never(app_ids: object) -> list[int | None]:
    raise AssertionError("the lake cannot know what comes")


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    yield made
    os.close(made.reads)


def messages(taken: Slice | None) -> list[bytes]:
    assert taken is not None
    return [bytes(taken.data[a:b]) for a, b in zip(taken.starts, taken.ends, strict=True)]


def test_everything_is_read_also_a_last_line_without_end(pipe: Pipe) -> None:
    reader = pipe.reader()
    pipe.write(b"one\n\ntwo\nthree")
    pipe.end()
    taken = reader.poll(0)
    assert messages(taken) == [b"one", b"two", b"three"]
    assert taken is not None
    assert taken.offsets.tolist() == [0, 5, 9]
    assert not reader.at_end()
    reader.committed(taken.span)
    assert reader.at_end()
    assert (reader.poll(0), reader.lag()) == (None, 0)


def test_slices_follow_each_other_and_wait_for_their_time(pipe: Pipe) -> None:
    reader = pipe.reader()
    pipe.write(b"one\ntw")
    assert reader.poll(0) is None
    pipe.now += 15
    first = reader.poll(0)
    assert messages(first) == [b"one"]
    assert first is not None
    reader.committed(first.span)
    pipe.write(b"o\n")
    assert reader.poll(0) is None
    reader.flush()
    second = reader.poll(0)
    assert messages(second) == [b"two"]
    assert second is not None
    assert (second.span.start, second.span.stop) == (4, 8)
    assert second.span.app_id == first.span.app_id
    pipe.end()


def test_what_the_lake_refuses_is_handed_out_again(pipe: Pipe) -> None:
    reader = pipe.reader()
    pipe.write(b"one\n")
    pipe.end()
    taken = reader.poll(0)
    reader.forget()
    assert reader.poll(0) is taken
    assert not reader.is_known()
    assert taken is not None
    reader.committed(taken.span)
    assert reader.is_known()


def test_a_slice_is_due_when_it_is_full(pipe: Pipe) -> None:
    reader = pipe.reader(slice_bytes=8)
    pipe.write(b"one\ntwo\nthree\n")
    assert messages(reader.poll(0)) == [b"one", b"two", b"three"]
    pipe.end()


def test_every_run_is_another_source(pipe: Pipe) -> None:
    pipe.write(b"one\n")
    pipe.end()
    first = pipe.reader()
    taken = first.poll(0)
    assert taken is not None
    second = StandardInputReader(StandardInput("i", "e"), Pace(), lambda: 0.0)
    assert taken.span.topic != second._identity
    assert taken.span.source == "file"


def test_the_last_header_line_goes_before_the_next_slice(pipe: Pipe) -> None:
    reader = pipe.reader(header=b"#Fields:")
    pipe.write(b"#Fields: a\nx\n#Fields: b\ny\n")
    reader.flush()
    first = reader.poll(0)
    assert first is not None
    assert first.header == b""
    reader.committed(first.span)
    pipe.write(b"z\n")
    second = reader.poll(0)
    assert second is not None
    assert second.header == b"#Fields: b"
    pipe.end()


def test_input_without_line_feeds_ends_the_run(pipe: Pipe) -> None:
    reader = pipe.reader(slice_bytes=8)
    pipe.write(b"canary canary")
    with pytest.raises(SourceError, match="without a line feed") as caught:
        reader.poll(0)
    assert "canary" not in str(caught.value)
    pipe.end()
