"""Standard input as a source: `zcat *.gz | telemetry run --input -`.

A pipe cannot be read again, and has no content to be known by before it is read. So each run is
a new source with an identity of its own, and its position is the number of bytes taken. Within
the run it works as with files: rows and position are one commit, and what the lake refuses is
committed again from memory. After a crash, what was read and not committed is gone with the pipe.
If the same lines are piped again, those that were committed are stored a second time: sealing
removes the copies of events that have an id of their own, but not of those that are known by their
place. If there is a file, name the file.

Unit of parallelism: the run. Delivery: at most once for lines, as long as nobody pipes them again.
"""

from __future__ import annotations

import os
import secrets
import select
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import SourceError, counted
from pipeline.events.model import Slice, Span
from pipeline.io.files.framing import find_lines
from pipeline.io.files.header import last_line
from pipeline.io.source import Clock, Pace, Positions, Shard

_SOURCE = "file"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class StandardInput:
    """Lines of one event that another program writes into this process; see the module."""

    name: str
    event: str
    header: bytes = b""
    """As `FileSource.header`."""
    descriptor: int = 0

    def shards(self, workers: int) -> Sequence[Shard]:
        """Return the only shard: the worker that has it reads everything."""
        del workers
        return [Shard(self.name, 0, 1)]

    def open(
        self, shard: Shard, positions: Positions, pace: Pace, clock: Clock
    ) -> StandardInputReader:
        """Open the reader; the lake is not asked, for it cannot know this run's input."""
        del shard, positions
        return StandardInputReader(self, pace, clock)


class StandardInputReader:
    """Cuts slices of what arrives, and ends with the input; see `pipeline.io.source.Reader`."""

    def __init__(self, source: StandardInput, pace: Pace, clock: Clock) -> None:
        self._source = source
        self._pace = pace
        self._clock = clock
        self._identity = secrets.token_hex(8)
        self._position = 0
        self._unread = bytearray()
        """What was taken and is not yet in the lake."""
        self._header = b""
        self._cut: Slice | None = None
        self._committed_at = clock()
        self._ended = False
        self._flushing = False

    def poll(self, wait: float) -> Slice | None:
        """See `Reader.poll`."""
        deadline = self._clock() + wait
        while self._cut is None:
            left = deadline - self._clock()
            came = self._take(0.0 if self._is_due() else max(0.0, left))
            if self._is_due():
                self._cut = self._next()
            if not came and (self._is_due() or self._ended or left <= 0):
                break
        return self._cut

    def committed(self, span: Span) -> None:
        """See `Reader.committed`."""
        assert self._cut is not None
        taken = bytes(self._unread[: span.stop - span.start])
        self._header = last_line([taken], self._source.header) or self._header
        del self._unread[: span.stop - span.start]
        self._position = span.stop
        self._committed_at = self._clock()
        self._cut = None

    def forget(self) -> None:
        """Forget nothing: what the lake has refused is handed out again."""

    def flush(self) -> None:
        """See `Reader.flush`."""
        self._flushing = True

    def at_end(self) -> bool:
        """See `Reader.at_end`."""
        return self._ended and not self._unread

    def lag(self) -> int:
        """Count what was taken and is not in the lake; what is still in the pipe is not known."""
        return len(self._unread)

    def is_known(self) -> bool:
        """See `Reader.is_known`: only what this run has committed."""
        return self._position > 0

    def close(self) -> None:
        """Do nothing: the descriptor belongs to the process."""

    def _take(self, wait: float) -> bool:
        """Take what is in the pipe, up to a slice; return whether anything came."""
        if self._ended or len(self._unread) >= self._pace.slice_bytes:
            return False
        ready, _, _ = select.select([self._source.descriptor], [], [], wait)
        if not ready:
            return False
        chunk = os.read(self._source.descriptor, _CHUNK)
        self._unread += chunk
        self._ended = not chunk
        return bool(chunk)

    def _is_due(self) -> bool:
        return bool(self._unread) and (
            self._ended
            or self._flushing
            or len(self._unread) >= self._pace.slice_bytes
            or self._clock() - self._committed_at >= self._pace.flush_seconds
        )

    def _next(self) -> Slice | None:
        """Cut the complete lines of what was taken; at the end the last one needs no line feed."""
        data = bytes(self._unread)
        lines = find_lines(data + b"\n" if self._ended else data)
        if lines.stop == 0:
            if len(data) >= self._pace.slice_bytes:
                raise SourceError(
                    "a line of standard input has no end",
                    where=f"byte {self._position}",
                    why=f"{counted(len(data), 'byte')} without a line feed",
                    remedy="Pipe text, one message a line.",
                )
            return None
        stop = min(lines.stop, len(data))
        span = Span(_SOURCE, self._identity, 0, self._position, self._position + stop)
        offsets = lines.starts + self._position
        header = self._header if self._source.header else None
        return Slice(
            span, self._source.event, data[:stop], lines.starts, lines.ends, offsets, header=header
        )
