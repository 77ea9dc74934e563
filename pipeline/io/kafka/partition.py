"""One partition, as a reader knows it: where the lake stands, what is there, and when it is due."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from pipeline.events.model import Span
from pipeline.io.kafka.identity import NO_EPOCH, Stand
from pipeline.io.source import Pace


@dataclass(slots=True)
class Partition:
    """See the module."""

    number: int
    start: int
    """The lake's position."""
    read_from: int
    """Where reading continues: the position, or the first message of a partition never seen."""
    stand: Stand
    """What the lake has of its identity."""
    known_end: int | None = None
    end_at_open: int = 0
    adopts: bool = False
    """Whether the lake has a position but no topic id: version 0.1 wrote none."""
    committed_at: float = float("-inf")
    not_before: float = float("-inf")
    message_bytes: float = 1024.0

    @property
    def backlog(self) -> int:
        """Messages that are there and not in the lake, as far as the end is known."""
        return 0 if self.known_end is None else max(0, self.known_end - self.start)

    @property
    def epoch(self) -> int:
        """The leader epoch of what the lake read last."""
        return NO_EPOCH if self.stand.epoch is None else self.stand.epoch

    def is_due(self, now: float, pace: Pace, *, flushing: bool) -> bool:
        """Return whether a slice should be cut from it now."""
        if now < self.not_before:
            return False
        waited = now - self.committed_at >= pace.flush_seconds
        if self.adopts and self.known_end is not None and self.known_end >= self.start:
            return True
        if self.known_end is None:
            return waited or flushing
        if self.backlog == 0:
            return False
        # What was there at opening is caught up with at once.
        behind = self.start < self.end_at_open
        large = self.backlog * self.message_bytes >= pace.slice_bytes / 2
        return waited or behind or large or flushing

    def move_to(self, span: Span, topic_id: uuid.UUID | None) -> None:
        """Take note that a span is in the lake, with its marks."""
        marks = {mark.app_id: mark.after for mark in span.marks}
        self.start = self.read_from = span.stop
        self.stand = replace(
            self.stand,
            position=span.stop,
            topic_id=topic_id or self.stand.topic_id,
            epoch=marks.get(f"{span.app_id}/epoch", self.stand.epoch),
        )
        self.adopts = False
