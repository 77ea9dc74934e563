"""The reader of files: it claims a file and reads on from where the lake stands, one at a time."""

from __future__ import annotations

import time

from pipeline.events.model import Slice, Span
from pipeline.io.files.claims import Claims
from pipeline.io.files.framing import find_lines
from pipeline.io.files.header import last_line
from pipeline.io.files.identity import WINDOW, Match, begun_id_of, place_of, tail_of
from pipeline.io.files.judging import Judge
from pipeline.io.files.open_file import Content, Cut
from pipeline.io.files.recognition import Recognizer
from pipeline.io.files.tail import Tail
from pipeline.io.files.tailing import SETTLE_SECONDS, Tails
from pipeline.io.source import Clock, Pace

SCAN_SECONDS = 0.5
"""How often sizes are checked and new files are looked for."""

_NAP_SECONDS = 0.1


class FileReader:
    """Reads files that nobody else is reading, one at a time; see `pipeline.io.source.Reader`."""

    def __init__(
        self,
        event: str,
        tails: Tails,
        claims: Claims,
        recognizer: Recognizer,
        pace: Pace,
        clock: Clock,
        header: bytes = b"",
    ) -> None:
        self._event = event
        self._header = header
        self._tails = tails
        self._claims = claims
        self._recognizer = recognizer
        self._judge = Judge(recognizer, tails, claims, recognizer.key)
        self._pace = pace
        self._clock = clock
        self._flushing = pace.to_end
        self._held: Tail | None = None
        self._held_since = 0.0
        self._scanned = clock()
        tails.scan(self._scanned, adopt=True)
        self._judge.look_for_named(self._scanned)

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
        if tail is None or tail.match is None:
            return
        tail.match = Match(span.app_id, span.stop, span.marks[0].after)
        tail.stuck_at = None
        tail.committed = self._clock()
        self._leave_hint(tail)
        for other in self._tails.beginning_with(tail.line):
            # A copy does not know where the lake stands now, nor how much of it is still unread.
            if other is tail:
                continue
            if other.match is not None and other.match.app_id in (span.app_id, None):
                other.forget()
            other.echo_at = None
        if not tail.unread:
            self._release()

    def forget(self) -> None:
        """See `Reader.forget`."""
        self._release()
        for tail in self._tails:
            tail.forget()

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

    def is_known(self) -> bool:
        """Return whether any source in the lake began as one of the files does.

        Also one that was read under the name of a file and is no longer there.
        """
        app_ids = [name for tail in self._tails for name in (begun_id_of(tail.line), tail.old)]
        app_ids += self._judge.read_by_name()
        return any(position is not None for position in self._recognizer.positions(app_ids))

    def close(self) -> None:
        """See `Reader.close`."""
        self._release()
        self._tails.close()

    def _next(self) -> Slice | None:
        now = self._clock()
        if now - self._scanned >= SCAN_SECONDS and not self._pace.to_end:
            self._scanned = now
            self._tails.scan(now, adopt=True)
            while self._tails.cut:
                self._look_again(self._tails.cut.pop(), now)
        for tail in self._candidates(now):
            if self._due(tail, now) and self._hold(tail, now):
                slice_ = self._cut(tail, now)
                if slice_ is not None:
                    return slice_
                self._release()
        return None

    def _candidates(self, now: float) -> list[Tail]:
        """Order files: the one in hand until it has had its time, then by longest wait."""
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
        """Claim a file; its position is what the lake says from this moment on."""
        if self._held is tail:
            return True
        if not self._claims.take(place_of(self._recognizer.key, *tail.place)):
            return False
        self._held, self._held_since = tail, now
        tail.forget()
        return True

    def _release(self) -> None:
        self._claims.release()
        self._held = None

    def _cut(self, tail: Tail, now: float) -> Slice | None:
        content = self._tails.content(tail, now)
        if content is None:
            return None
        if tail.match is None:
            tail.match = self._judge.identify(tail, content, now)
            if tail.match is None:
                tail.echo_at = tail.size
                return None
            self._leave_hint(tail)
            if tail.ended:
                return None
        match = tail.match
        cut = content.cut(match.position, self._pace.slice_bytes, to_end=self._pace.to_end)
        if cut is None:
            tail.stuck_at, tail.ended = tail.size, tail.packed
            self._leave_hint(tail)
            if match.adopts is None:
                return None
            # Nothing is unread; the position of version 0.1 is taken over by a commit of its own.
            cut = Cut(b"", find_lines(b""), match.position)
        return self._slice(tail, match, content, cut, now)

    def _slice(
        self, tail: Tail, match: Match, content: Content, cut: Cut, now: float
    ) -> Slice | None:
        """Make a slice of what was cut, unless the file was changed before it."""
        start, key = match.position, self._recognizer.key
        # A file is looked at after the cut: whatever was rewritten before it shows here.
        before = None if tail.packed else content.window(start)
        if not tail.packed and (
            before is None or (match.tail is not None and tail_of(key, before) != match.tail)
        ):
            self._judge.changed(tail, now)
            return None
        if before is not None and len(cut.data) == cut.stop - start:
            window: bytes | None = (before + cut.data[-WINDOW:])[-WINDOW:]
        else:
            window = content.window(cut.stop)
        if window is None:
            self._judge.changed(tail, now)
            return None
        app_id = match.app_id or self._recognizer.fresh_id(match, content.head(), cut.stop)
        marks = self._recognizer.marks(match, tail.line, app_id, window)
        source, identity, _ = app_id.split("/")
        span = Span(source, identity, 0, start, cut.stop, marks)
        header = self._header_before(tail, content, span, cut) if self._header else None
        lines, offsets = cut.lines, cut.lines.starts + start
        return Slice(span, self._event, cut.data, lines.starts, lines.ends, offsets, header=header)

    def _header_before(self, tail: Tail, content: Content, span: Span, cut: Cut) -> bytes:
        """Find the last header line before a slice, and remember that before the next one."""
        position, header = tail.header
        if position != span.start:
            header = last_line(content.before(span.start), self._header) or b""
        tail.header = (span.stop, last_line([cut.data], self._header) or header)
        return header

    def _look_again(self, tail: Tail, now: float) -> None:
        """Judge a file that became shorter than it was."""
        match, content = tail.match, tail.content
        if match is None or content is None or match.position == 0:
            self._tails.drop(tail)
        elif tail.packed or not self._recognizer.agrees(content, match):
            self._judge.changed(tail, now)
        if self._held is tail and tail not in self._tails:
            self._release()

    def _leave_hint(self, tail: Tail) -> None:
        """Remember, for other runs, which source is where this file is."""
        hint = self._judge.hint_of(tail)
        if hint is None or self._held is not tail:
            return
        packed = hint.pack()
        if packed != tail.noted:
            self._claims.leave(packed, hint.name if tail.path in self._tails.paths else None)
            tail.noted = packed
