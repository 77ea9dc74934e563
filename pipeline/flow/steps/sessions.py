"""Readers of this process, by shard: opened once, and picked up again at every turn.

A session is worth keeping (files stay open, fetched messages stay buffered), and never needed:
a shard may come back in another process at any time, and a session that nobody picks up is closed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.events.model import Slice, Span
from pipeline.io.source import Clock, Reader, Shard

IDLE_WAIT_SECONDS = 0.3
"""How long a turn waits for something to read. Runners do not pace turns, so turns do."""

ORPHAN_SECONDS = 120.0
"""A session that was not picked up for this long belongs to another process by now."""


class Turn:
    """The right to work in this process: one turn at a time, whichever thread has it.

    Some runners give several shards to one process, each in its own thread, and after a
    failure a new bundle may begin beside one that is still dying. What a process has opened is
    made for one thread, so a turn is held from the first slice of a bundle to the last commit.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._holder: object | None = None
        self._thread = 0
        self._waiting = 0

    def take(self, holder: object) -> None:
        """Wait for the turn."""
        with self._free:
            self._waiting += 1
            try:
                self._free.wait_for(lambda: self._holder is None)
            finally:
                self._waiting -= 1
            self._holder, self._thread = holder, threading.get_ident()

    def give(self, holder: object | None = None) -> None:
        """End the turn of `holder`, or that of this thread; nothing happens if it has none."""
        with self._free:
            mine = (
                self._thread == threading.get_ident() if holder is None else holder is self._holder
            )
            if mine:
                self._holder = None
                self._free.notify()

    @property
    def wanted(self) -> bool:
        """Whether another thread waits for the turn."""
        return self._waiting > 0


class Session:
    """One shard's reader and the slice that is under way."""

    def __init__(self, shard: Shard, reader: Reader, clock: Clock) -> None:
        self.shard = shard
        self.reader = reader
        self.busy_at = float("-inf")
        """When the last slice was cut."""
        self.picked_up_at = clock()
        self.lag = 0
        """How much there was to read when it was last looked at."""
        self.under_way: Slice | None = None
        """The slice that was cut and is not yet settled."""
        self._clock = clock

    def next(self, wait: float) -> Slice | None:
        """Cut the next slice; if the last one was never settled, start again."""
        if self.under_way is not None:
            self.settle(None)
        taken = self.reader.poll(wait)
        if taken is not None:
            self.busy_at = self._clock()
            self.under_way = taken
        return taken

    def settle(self, landed: Slice | None) -> None:
        """Report to the reader that its slice is in the lake, or (None) that it is not."""
        if landed is not None:
            self.reader.committed(landed.span)
        else:
            self.reader.forget()
        self.under_way = None


class Sessions:
    """All sessions of a process."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._by_shard: dict[Shard, Session] = {}

    def pick_up(self, shard: Shard, open_reader: Callable[[], Reader]) -> Session:
        """Return the shard's session, opened if need be; close those that nobody picks up."""
        now = self._clock()
        for session in list(self._by_shard.values()):
            if now - session.picked_up_at > ORPHAN_SECONDS:
                self.end(session)
        found = self._by_shard.get(shard)
        if found is None:
            found = self._by_shard[shard] = Session(shard, open_reader(), self._clock)
        found.picked_up_at = now
        return found

    def wait_for(self, session: Session) -> float:
        """Return how long a turn may wait: not at all while another session has work."""
        since = self._clock() - 2 * IDLE_WAIT_SECONDS * len(self._by_shard)
        others = (other for other in self._by_shard.values() if other is not session)
        return 0.0 if any(other.busy_at > since for other in others) else IDLE_WAIT_SECONDS

    def lag_of(self, source: str) -> int:
        """Add up what is still to read in those shards of a source that are read here."""
        sessions = self._by_shard.values()
        return sum(session.lag for session in sessions if session.shard.source == source)

    def reading(self, span: Span) -> Session | None:
        """Return the session that a slice on its way was read in."""
        sessions = self._by_shard.values()
        return next((one for one in sessions if one.under_way and one.under_way.span == span), None)

    def end(self, session: Session) -> None:
        """Close a session."""
        self._by_shard.pop(session.shard, None)
        session.reader.close()

    def close(self) -> None:
        """Close all sessions."""
        for session in list(self._by_shard.values()):
            self.end(session)
