"""Which source is this file? Its content is compared with what the lake's log knows of sources.

A file whose content agrees with a known source up to its position is that source, plain or
compressed, whatever it is called. A file that agrees with none is new. Between the two are
files that begin like a source and continue differently; what they are depends on what else is
there, so they are returned as `Match.rivals` for `judging` to decide. Nothing is changed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from pipeline.errors import SourceError
from pipeline.events.model import Mark
from pipeline.io.files.identity import (
    Match,
    Rival,
    adopted_id_of,
    app_id_of,
    beginnings,
    begun_id_of,
    tail_id_of,
    tail_of,
)
from pipeline.io.files.open_file import Content
from pipeline.io.source import Positions


@dataclass(frozen=True, slots=True)
class Recognizer:
    """Compares files with the sources of one table."""

    key: bytes
    positions: Positions

    def match(self, content: Content, hashes: Mapping[int, bytes], line: str, old: str) -> Match:
        """Find the source that a file's content agrees with up to its position.

        `hashes` are those of the file's beginning by rung, `line` is that of its first line, and
        `old` is its app id in version 0.1.
        """
        top = app_id_of(next(iter(hashes.values())), 0)
        begun, known, adopted, *first = self.positions(
            [begun_id_of(line), old, adopted_id_of(old), top, tail_id_of(top)]
        )
        rivals = []
        if begun is not None:
            for app_id, rung, position, tail in self._candidates(hashes, first):
                rival = self._compare(content, app_id, rung, position, tail)
                if rival is None:
                    return Match(app_id, position, tail, begun)
                rivals.append(rival)
        if known is not None and adopted is None:
            return Match(None, known, begun=begun, adopts=old)
        free = top if first[0] is None else None
        return Match(None, begun=begun, rivals=tuple(rivals), free=free)

    def stand_of(self, app_id: str) -> Match | None:
        """Return where a source stands; None if the lake does not know it."""
        position, tail = self.positions([app_id, tail_id_of(app_id)])
        return None if position is None else Match(app_id, position, tail)

    def fresh_id(self, found: Match, head: bytes, position: int) -> str:
        """Return an app id for a source that the lake does not know, with `position` next.

        The commit compares: an app id that another has taken since then is refused there.
        """
        hashes = beginnings(self.key, head[: max(1, position)])
        beginning = next(iter(hashes.values()))
        for number in count():
            app_id = app_id_of(beginning, number)
            if app_id == found.free or self.positions([app_id])[0] is None:
                return app_id
        raise AssertionError

    def marks(self, found: Match, line: str, app_id: str, window: bytes) -> tuple[Mark, ...]:
        """Return what a commit says about a source whose next position follows `window`."""
        tail = Mark(tail_id_of(app_id), found.tail, tail_of(self.key, window))
        if found.app_id is not None:
            return (tail,)
        marks = (tail, Mark(begun_id_of(line), found.begun, (found.begun or 0) + 1))
        return (
            marks if found.adopts is None else (*marks, Mark(adopted_id_of(found.adopts), None, 1))
        )

    def agrees(self, content: Content, found: Match) -> bool:
        """Return whether a file still has what preceded a source's position."""
        window = content.window(found.position)
        return window is not None and (
            found.tail is None or tail_of(self.key, window) == found.tail
        )

    def _candidates(
        self, hashes: Mapping[int, bytes], first: Sequence[int | None]
    ) -> Iterator[tuple[str, int, int, int]]:
        """Yield every source that begins like a file: app id, rung, position and tail.

        `first` is the answer for the first of them, which is usually the last lookup, too.
        """
        rungs, number = list(hashes), 0
        while rungs:
            app_ids = [app_id_of(hashes[rung], number) for rung in rungs]
            answers = list(first)
            left = []
            for app_id, rung in zip(app_ids, rungs, strict=True):
                if not answers:
                    asked = app_ids[app_ids.index(app_id) :]
                    names = [name for one in asked for name in (one, tail_id_of(one))]
                    answers = list(self.positions(names))
                position, tail = answers[:2]
                del answers[:2]
                if position is not None:
                    left.append(rung)
                    if tail is not None:
                        yield app_id, rung, position, tail
            rungs, number, first = left, number + 1, []

    def _compare(
        self, content: Content, app_id: str, rung: int, position: int, tail: int
    ) -> Rival | None:
        """Return how a file differs from a source; None if it agrees up to its position."""
        try:
            window = content.window(position)
        except SourceError as error:
            return Rival(app_id, position, rung, shorter=False, damage=error)
        if window is not None and tail_of(self.key, window) == tail:
            return None
        return Rival(app_id, position, rung, shorter=window is None)
