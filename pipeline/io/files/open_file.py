"""The content of one open file, cut into slices of whole lines from a given position.

Plain and compressed files answer the same calls. Memory stays within a slice's limit, whatever
the file holds: the beginning of a line that is longer than a message may be is passed on (to be
refused) and the rest is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.errors import SourceError, counted
from pipeline.io.files.compressed import Unpacked, codec_of
from pipeline.io.files.framing import (
    MESSAGE_BYTES,
    Lines,
    find_lines,
    first_line,
    is_complete_object,
)
from pipeline.io.files.identity import WINDOW
from pipeline.io.files.paths import Place, place_at, unreadable

_STEP = 1 << 20


class Cut(NamedTuple):
    """Lines at a position, and the position after them."""

    data: bytes
    lines: Lines
    stop: int


class Content(Protocol):
    """One open file. Errors are `SourceError` (it contradicts the position) and
    `EnvironmentProblem` (it cannot be read)."""

    def first_line(self, *, to_end: bool) -> bytes | None:
        """Return the first line that is not blank, None while it is not complete."""

    def head(self) -> bytes:
        """Return the first bytes, at most `WINDOW`."""

    def window(self, position: int) -> bytes | None:
        """Return the last bytes before a position, at most `WINDOW`; None if it ends sooner."""

    def length(self) -> int:
        """Return how long the text is; a compressed file is unpacked to find out."""

    def before(self, position: int) -> Iterator[bytes]:
        """Return what precedes a position, in pieces."""

    def unread(self, position: int) -> int:
        """Count bytes after a position; 0 means that nothing is there."""

    def cut(self, position: int, limit: int, *, to_end: bool) -> Cut | None:
        """Cut complete lines of about `limit` bytes at most; None if there is none.

        With `to_end`, an unterminated last line counts if nothing can follow in it.
        """

    def close(self) -> None:
        """Let go of the file; safe to call twice."""


def open_content(path: str, place: Place) -> Content | None:
    """Open a file; None if the path no longer leads to this place."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(error, path) from None
    if place_at(os.fstat(handle)) != place:
        os.close(handle)
        return None
    codec = codec_of(path)
    return PackedContent(handle, codec, path) if codec else PlainContent(handle, path)


class PlainContent:
    """An uncompressed file that may grow."""

    def __init__(self, handle: int, path: str) -> None:
        self._handle = handle
        self._path = path
        self._long_line = (-1, 0)
        """Where an unterminated line begins, and how far its end has been searched for."""

    def first_line(self, *, to_end: bool) -> bytes | None:
        block = self._read(0, MESSAGE_BYTES + _STEP)
        line = first_line(block, whole=False)
        if line is None and to_end:
            line = first_line(block, whole=True)
            return line if line and is_complete_object(line) else None
        return line

    def head(self) -> bytes:
        return self._read(0, WINDOW)

    def window(self, position: int) -> bytes | None:
        size = min(position, WINDOW)
        found = self._read(position - size, size)
        return found if len(found) == size else None

    def length(self) -> int:
        return os.fstat(self._handle).st_size

    def before(self, position: int) -> Iterator[bytes]:
        for start in range(0, position, _STEP):
            yield self._read(start, min(_STEP, position - start))

    def unread(self, position: int) -> int:
        size = os.fstat(self._handle).st_size
        if size < position:
            raise shrunk(self._path, size, position)
        return size - position

    def cut(self, position: int, limit: int, *, to_end: bool) -> Cut | None:
        size = position + self.unread(position)
        self._check_before(position)
        reach = min(size, position + limit)
        stop = self._after_last_feed(position, reach)
        if stop == position:
            return self._cut_one(position, reach, size, to_end=to_end)
        data = self._read(position, stop - position)
        if len(data) < stop - position:
            raise shrunk(self._path, position + len(data), stop)
        lines = find_lines(data)
        if lines.stop < len(data):
            data = data[: lines.stop]
        return Cut(data, lines, position + lines.stop)

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _cut_one(self, position: int, reach: int, size: int, *, to_end: bool) -> Cut | None:
        """Cut a line whose end is out of reach: a long one, or the last one."""
        stop = self._feed_after(position, reach, size)
        if stop is None:
            whole = size - position <= MESSAGE_BYTES and to_end
            data = self._read(position, size - position) if whole else b""
            return Cut(data, _single(data), size) if is_complete_object(data) else None
        data = self._read(position, min(stop - 1 - position, MESSAGE_BYTES + 1))
        return Cut(data, _single(data), stop)

    def _check_before(self, position: int) -> None:
        """Notice a file that was rewritten in place and has grown past the position since."""
        if position and self._read(position - 1, 1) not in (b"\n", b"}"):
            raise rewritten(self._path, position)

    def _after_last_feed(self, start: int, stop: int) -> int:
        """Return the offset after the last line feed in a range; its start if there is none."""
        while stop > start:
            begin = max(start, stop - MESSAGE_BYTES)
            found = self._read(begin, stop - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            stop = begin
        return start

    def _feed_after(self, line: int, begin: int, size: int) -> int | None:
        """Return the offset after the first line feed from `begin` on; remember a failed search."""
        if self._long_line[0] == line:
            begin = max(begin, self._long_line[1])
        while begin < size:
            block = self._read(begin, min(_STEP, size - begin))
            found = block.find(b"\n")
            if found >= 0:
                return begin + found + 1
            if not block:
                break
            begin += len(block)
        self._long_line = (line, begin)
        return None

    def _read(self, start: int, size: int) -> bytes:
        try:
            return os.pread(self._handle, size, start)
        except OSError as error:
            raise unreadable(error, self._path) from None


class PackedContent:
    """A compressed file that is complete: positions count what it unpacks to."""

    def __init__(self, handle: int, codec: str, path: str) -> None:
        self._handle = handle
        self._codec = codec
        self._path = path
        self._stream = Unpacked(handle, codec, path)
        self._rest = b""
        """Unpacked bytes that are not cut yet; they begin at `_at`."""
        self._at = 0
        self._before = b""
        """The last unpacked bytes before `_at`, at most `WINDOW`."""

    def head(self) -> bytes:
        with Unpacked(self._handle, self._codec, self._path) as stream:
            return stream.read(WINDOW)

    def window(self, position: int) -> bytes | None:
        return self._before if self._go_to(position) else None

    def length(self) -> int:
        with Unpacked(self._handle, self._codec, self._path) as stream:
            while stream.read(_STEP):
                pass
            return stream.offset

    def before(self, position: int) -> Iterator[bytes]:
        with Unpacked(self._handle, self._codec, self._path) as stream:
            while stream.offset < position:
                block = stream.read(min(_STEP, position - stream.offset))
                if not block:
                    return
                yield block

    def first_line(self, *, to_end: bool) -> bytes | None:  # noqa: ARG002  it is complete
        with Unpacked(self._handle, self._codec, self._path) as stream:
            return first_line(stream.read(MESSAGE_BYTES + _STEP), whole=stream.ended)

    def unread(self, position: int) -> int:
        if position == self._at and self._stream.ended and not self._rest:
            return 0
        return max(1, os.fstat(self._handle).st_size - self._stream.consumed)

    def cut(self, position: int, limit: int, *, to_end: bool) -> Cut | None:  # noqa: ARG002
        if not self._go_to(position):
            raise shrunk(self._path, self._stream.offset, position)
        data = self._rest + self._stream.read(max(0, limit - len(self._rest)))
        lines = find_lines(data)
        if lines.stop:
            self._rest, data = data[lines.stop :], data[: lines.stop]
            self._move(data)
        elif data:
            self._rest = b""
            if not self._pass_over(data):
                # The last line has no end: what follows may be appended as another member.
                self._at = -1
                return None
            data = data[: MESSAGE_BYTES + 1]
            lines = _single(data)
        else:
            self._at = -1
            return None
        return Cut(data, lines, self._at)

    def close(self) -> None:
        self._stream.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _go_to(self, position: int) -> bool:
        """Go to a position; False if the archive ends before it."""
        if position != self._at:
            self._stream.close()
            self._stream = Unpacked(self._handle, self._codec, self._path)
            self._rest, self._before, self._at = b"", b"", 0
            while self._at < position:
                block = self._stream.read(min(_STEP, position - self._at))
                if not block:
                    self._at = -1
                    return False
                self._move(block)
        return True

    def _move(self, passed: bytes) -> None:
        self._at += len(passed)
        self._before = (self._before + passed[-WINDOW:])[-WINDOW:]

    def _pass_over(self, beginning: bytes) -> bool:
        """Go past the end of a line that begins here.

        False if there is none, unless it is a whole object, in which nothing can follow.
        """
        self._move(beginning)
        while not self._stream.ended:
            block = self._stream.read(_STEP)
            found = block.find(b"\n")
            if found >= 0:
                self._move(block[: found + 1])
                self._rest = block[found + 1 :]
                return True
            self._move(block)
            beginning = beginning[: MESSAGE_BYTES + 1] + block[:1]
        return is_complete_object(beginning)


def _single(data: bytes) -> Lines:
    starts = np.zeros(1, np.int64)
    return Lines(starts, np.array([len(data)], np.int64), len(data))


def shrunk(path: str, size: int, position: int) -> SourceError:
    """Return what to raise for a file that ends before its position."""
    return SourceError(
        "The input has become shorter",
        where=path,
        why=f"it has {counted(size, 'byte')}, the lake has taken {position:,}",
        remedy="Rotate by renaming, not by copying and truncating; give new content a new file.",
    )


def rewritten(path: str, position: int) -> SourceError:
    """Return what to raise for a file whose bytes before its position are not what was read."""
    return SourceError(
        "The input was rewritten",
        where=f"{path}, byte {position}",
        why="it differs from what was read before that byte",
        remedy="Put the file back as it was, or give the new content a new file.",
    )
