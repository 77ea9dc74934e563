"""A folder of inputs, a lake that only knows positions and marks, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.events.model import Slice
from pipeline.io.files.reader import FileReader
from pipeline.io.files.source import FileSource
from pipeline.io.source import Pace

KEY = bytes(range(32))


@dataclass
class Bench:
    """A folder of inputs, a lake that only knows positions, and a clock that tests move."""

    folder: Path
    now: float = 1000.0
    positions: dict[str, int] = field(default_factory=dict)
    readers: list[FileReader] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def ask(self, app_ids: Sequence[str]) -> list[int | None]:
        self.asked += app_ids
        return [self.positions.get(app_id) for app_id in app_ids]

    def reader(
        self, *paths: str, to_end: bool = True, header: bytes = b"", **pace: float
    ) -> FileReader:
        names = paths or (str(self.folder),)
        claims = self.folder.parent / "claims"
        source = FileSource("logs", "api_request", names, claims, key, header)
        shard = source.shards(1)[0]
        limits = Pace(int(pace.get("slice_bytes", 1 << 20)), pace.get("flush", 15.0), to_end)
        reader = source.open(shard, self.ask, limits, lambda: self.now)
        self.readers.append(reader)
        return reader

    def commit(self, reader: FileReader, taken: Slice) -> None:
        span = taken.span
        assert self.positions.get(span.app_id, span.start) == span.start
        for mark in span.marks:
            assert self.positions.get(mark.app_id) == mark.before
            self.positions[mark.app_id] = mark.after
        self.positions[span.app_id] = span.stop
        reader.committed(span)

    def stands(self) -> list[int]:
        """The positions of all sources."""
        return [at for app_id, at in self.positions.items() if app_id.endswith("/0")]

    def take(self, reader: FileReader) -> list[bytes]:
        """Read and commit everything that is due."""
        lines: list[bytes] = []
        while (taken := reader.poll(0)) is not None:
            lines += messages(taken)
            self.commit(reader, taken)
        return lines

    def write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def append(self, name: str, content: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(content)


def key() -> bytes:
    return KEY


def messages(taken: Slice) -> list[bytes]:
    return [taken.data[a:b] for a, b in zip(taken.starts, taken.ends, strict=True)]


def numbered(first: int, stop: int) -> bytes:
    return b"".join(b'{"n":%d}\n' % n for n in range(first, stop))


def lines_of(content: bytes) -> list[bytes]:
    return content.splitlines()
