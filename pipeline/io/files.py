"""Files as a source: NDJSON in files, folders and patterns, tailed; `.gz` and `.zst` read whole.

A file's app id is `file/<identity>/0`. Its identity is a keyed hash of its inode and first line:
it survives a rename (rotation), and a new file in a reused inode is another file. Its position is
the byte offset of the next unread line (compressed: of the uncompressed text). A file that is
shorter than its position, or has other bytes before it, stops the run: its old lines are in the
lake, and nobody can say which of the new ones are.

Unit of parallelism: the file. Workers of one machine take files by claims (`pipeline.io.claims`),
any worker any file, one at a time. Delivery: exactly-once, by the position in the lake's log.
Replay: a file that is copied (another inode) or restored is another file, and read again; so is
the compressed copy of a rotated file, which therefore has to lie where no input reaches it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.events.model import Slice, Span
from pipeline.io.claims import Claims
from pipeline.io.inputs import require_inputs
from pipeline.io.source import Clock, Pace, Position, Shard
from pipeline.io.tails import SETTLE_SECONDS, Tail, Tails

SCAN_SECONDS = 0.5
"""How often sizes and new files are looked for."""

_NAP_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class FileSource:
    """Files that carry one event; see the module."""

    name: str
    event: str
    paths: tuple[str, ...]
    """Files, folders and patterns (`pipeline.io.inputs`)."""
    claims: Path
    """`<state>/claims`: shared by all workers, private."""
    key: Callable[[], bytes]
    """Opens the permanent key "files"; picklable."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """Give every worker a shard: they share the files as they go."""
        return [Shard(self.name, index, workers) for index in range(workers)]

    def open(self, shard: Shard, position: Position, pace: Pace, clock: Clock) -> FileReader:
        """Open a reader; raises `EnvironmentProblem` if a path names nothing."""
        assert shard.source == self.name
        require_inputs(self.paths)
        tails = Tails(self.paths, self.key(), to_end=pace.to_end)
        return FileReader(self.event, tails, Claims(self.claims), position, pace, clock)


class FileReader:
    """Reads files that nobody else is reading, one at a time; see `pipeline.io.source.Reader`."""

    def __init__(
        self,
        event: str,
        tails: Tails,
        claims: Claims,
        position: Position,
        pace: Pace,
        clock: Clock,
    ) -> None:
        self._event = event
        self._tails = tails
        self._claims = claims
        self._position = position
        self._pace = pace
        self._clock = clock
        self._flushing = pace.to_end
        self._held: Tail | None = None
        self._held_since = 0.0
        self._scanned = clock()
        tails.scan(self._scanned, adopt=True)

    def poll(self, wait: float) -> Slice | None:
        """See `Reader.poll`."""
        deadline = self._clock() + wait
        while True:
            slice_ = self._next()
            left = deadline - self._clock()
            if slice_ is not None or left <= 0 or (self._pace.to_end and self.at_end()):
                return slice_
            time.sleep(min(left, _NAP_SECONDS))

    def committed(self, span: Span) -> None:
        """See `Reader.committed`."""
        tail = self._held
        if tail is None or tail.app_id != span.app_id:
            return
        tail.position = span.stop
        tail.stuck_at = None
        tail.committed = self._clock()
        if not tail.unread:
            self._release()

    def forget(self) -> None:
        """See `Reader.forget`."""
        self._release()
        for tail in self._tails:
            tail.position = tail.stuck_at = None
            tail.ended = False

    def flush(self) -> None:
        """See `Reader.flush`."""
        self._flushing = True
        self._scanned = float("-inf")

    def at_end(self) -> bool:
        """See `Reader.at_end`."""
        return all(tail.finished for tail in self._tails)

    def lag(self) -> int:
        """See `Reader.lag`."""
        return sum(tail.unread for tail in self._tails) + sum(self._tails.unknown.values())

    def close(self) -> None:
        """See `Reader.close`."""
        self._release()
        self._tails.close()

    def _next(self) -> Slice | None:
        now = self._clock()
        if now - self._scanned >= SCAN_SECONDS and not self._pace.to_end:
            self._scanned = now
            self._tails.scan(now, adopt=True)
        for tail in self._candidates(now):
            if self._due(tail, now) and self._hold(tail, now):
                slice_ = self._cut(tail, now)
                if slice_ is not None:
                    return slice_
                self._release()
        return None

    def _candidates(self, now: float) -> list[Tail]:
        """Order files: the one in hand until it has had its time, then who has waited longest."""
        tails = sorted(self._tails, key=lambda tail: tail.committed)
        if self._held is not None and now - self._held_since < self._pace.flush_seconds:
            tails.sort(key=lambda tail: tail is not self._held)
        return tails

    def _due(self, tail: Tail, now: float) -> bool:
        if self._pace.to_end and tail.finished:
            return False
        if tail.packed:
            settled = self._pace.to_end or now - tail.changed >= SETTLE_SECONDS
            return settled and not tail.ended
        if not tail.unread or tail.stuck_at == tail.size:
            return False
        return (
            self._flushing
            or tail.unread >= self._pace.slice_bytes
            or now - tail.committed >= self._pace.flush_seconds
        )

    def _hold(self, tail: Tail, now: float) -> bool:
        """Claim a file; from the first moment on, its position is what the lake says then."""
        if self._held is tail:
            return True
        if not self._claims.take(tail.identity):
            return False
        self._held, self._held_since = tail, now
        tail.position = None
        return True

    def _release(self) -> None:
        self._claims.release()
        self._held = None

    def _cut(self, tail: Tail, now: float) -> Slice | None:
        content = self._tails.content(tail, now)
        if content is None:
            return None
        if tail.position is None:
            tail.position = self._position(tail.app_id) or 0
        start = tail.position
        if tail.packed and self._claims.is_end(tail.size, start):
            tail.ended = True
            return None
        cut = content.cut(start, self._pace.slice_bytes, to_end=self._pace.to_end)
        if cut is None:
            tail.stuck_at, tail.ended = tail.size, tail.packed
            if tail.packed:
                self._claims.note_end(tail.size, start)
            return None
        span = Span("file", tail.identity, 0, start, cut.stop)
        lines = cut.lines
        return Slice(span, self._event, cut.data, lines.starts, lines.ends, lines.starts + start)
