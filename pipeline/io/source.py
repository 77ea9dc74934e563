"""The port through which bytes enter: sources, their shards, and the readers of one shard.

A `Source` is a description that travels to workers (picklable, nothing open). A worker opens a
`Reader` for each shard that it is given. The reader cuts slices; whoever asked for one reports
what became of it, with `committed` or `forget`, before asking for the next.

Unit of parallelism: the shard. Delivery: at least once, each time somebody opens the same
shard; exactly-once comes from the lake's log alone, which compares positions at commit. So a
reader may be abandoned at any moment, and two readers of one shard may exist at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.events.model import Slice, Span

Position = Callable[[str], int | None]
"""The next position to read for an app id (`Span.app_id`), as the lake has it now; None: not seen.

It may be slow (it loads the table's log), so readers ask once, and again after `forget`.
"""

Positions = Callable[[Sequence[str]], Sequence[int | None]]
"""The positions and marks of several app ids, all as the lake had them at one moment."""

Clock = Callable[[], float]
"""Monotonic seconds. Not the wall clock, which `--now` may have fixed."""

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shard:
    """A fixed share of one source: what one reader reads. Small, hashable and always truthy."""

    source: str
    """`Source.name`."""
    index: int
    """0 up to `count - 1`."""
    count: int


@dataclass(frozen=True, slots=True)
class Pace:
    """When a reader cuts a slice."""

    slice_bytes: int = 64 * MEBIBYTE
    """The most raw bytes that one slice holds."""
    flush_seconds: float = 15.0
    """A slice smaller than that is due when this long has passed since the span's last commit."""
    to_end: bool = False
    """Everything is due at once, and the reader ends where the source ended when it was opened."""


class Reader(Protocol):
    """Cuts slices of one shard, in one thread, one slice at a time.

    After `poll` returned a slice the next call is `committed(slice.span)` or `forget()`.
    All methods may raise `TelemetryError`s, whose text names files and coordinates, never content.
    """

    def poll(self, wait: float) -> Slice | None:
        """Return the next slice that is due, or None after waiting for one at most `wait` seconds.

        A slice starts where the last committed one of its app id stopped, and has at least one
        message or moves the position (Kafka control records, blank lines).
        """

    def committed(self, span: Span) -> None:
        """Take note that the span is in the lake."""

    def forget(self) -> None:
        """Drop every position and everything buffered: start again from the lake."""

    def flush(self) -> None:
        """Treat everything that is there as due from now on: the run is about to stop."""

    def at_end(self) -> bool:
        """Return whether all that was there when the reader was opened has been committed."""

    def lag(self) -> int:
        """Count what is there and not yet committed: bytes of files, messages of topics."""

    def is_known(self) -> bool:
        """Return whether the lake has anything from the source, whichever shard has read it.

        It asks the lake about every file or partition there is: only for use in trouble.
        """

    def close(self) -> None:
        """Let go of files, locks and connections; safe to call twice."""


class Source(Protocol):
    """Where messages of one event come from: a picklable description, nothing open."""

    @property
    def name(self) -> str:
        """The settings' name of the source; unique within a run."""

    @property
    def event(self) -> str:
        """The one event that the source carries."""

    def shards(self, workers: int) -> Sequence[Shard]:
        """Share the source out among `workers` processes, at most one shard for each.

        Called in a worker. All shards have the same `count`, and the same call gives the same
        shards in every process, so that each can pick its own.
        """

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> Reader:
        """Open a reader of one shard; `positions` is asked lazily."""
