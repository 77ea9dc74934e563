"""The files that a reader follows: found by path, kept by place, followed through renames.

Looking is cheap: once a file is known, a look at it is one `stat`. What a file is gets decided by
`judging` when it is picked up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from os import stat_result

from pipeline.errors import SourceError
from pipeline.io.files.compressed import codec_of
from pipeline.io.files.identity import beginnings, line_of, old_app_id_of
from pipeline.io.files.open_file import Content, PackedContent, open_content
from pipeline.io.files.paths import Place, find_inputs
from pipeline.io.files.tail import Tail

LOG = logging.getLogger(__name__)

MAX_OPEN = 128
"""Files held open at once; one that is held is read to its end even if it is renamed away."""

ROTATION_GRACE_SECONDS = 60.0
"""How long a file whose name is gone is followed: its writer may not know yet."""

SETTLE_SECONDS = 2.0
"""How long the size of a compressed file must stand still before it is taken."""


class Tails:
    """All files of one reader, by place."""

    def __init__(self, paths: Sequence[str], key: bytes, *, to_end: bool) -> None:
        self.paths = tuple(paths)
        self._key = key
        self._to_end = to_end
        self._beside: list[str] = []
        self._by_place: dict[Place, Tail] = {}
        self._by_line: dict[str, dict[Place, Tail]] = {}
        self.unknown: dict[Place, int] = {}
        """Sizes of files that cannot be judged yet: their first line is not complete."""
        self.cut: list[Tail] = []
        """Files that became shorter than they were; to be judged."""
        self._seen: dict[Place, tuple[int, float]] = {}
        """Sizes of compressed files that are not followed yet, and since when they are so."""

    def __iter__(self) -> Iterator[Tail]:
        return iter(list(self._by_place.values()))

    def beginning_with(self, line: str) -> list[Tail]:
        """Return the files that begin with a line."""
        return list(self._by_line.get(line, {}).values())

    def scan(self, now: float, *, adopt: bool) -> None:
        """Look for the files that are there. `adopt` says whether new ones are taken in."""
        found = find_inputs([*self.paths, *self._beside])
        if adopt:
            self.unknown.clear()
        for place, (path, status) in found.items():
            tail = self._by_place.get(place)
            if tail is not None:
                if status.st_size < tail.size:
                    self.cut.append(tail)
                self._update(tail, path, status, now)
            elif adopt and status.st_size and self._stands_still(path, place, status, now):
                self._meet(path, place, status, now)
        for place in self._by_place.keys() - found.keys():
            self._miss(self._by_place[place], now)
        self._limit_open()

    def follow(self, path: str, now: float) -> Tail | None:
        """Take in one file that the paths do not name; None if it has no first line."""
        for place, (name, status) in find_inputs([path]).items():
            self._beside.append(path)
            if place not in self._by_place:
                self._meet(name, place, status, now)
            return self._by_place.get(place)
        return None

    def meet_again(self, tail: Tail, now: float) -> None:
        """Treat a file as another one: it does not begin as it did when it was met."""
        self.drop(tail)
        found = find_inputs([tail.path]).get(tail.place)
        if found is not None:
            self._meet(found[0], tail.place, found[1], now)

    def unfollow(self, tail: Tail) -> None:
        """Stop following a file that `follow` has taken in."""
        self._beside.remove(tail.path)
        self.drop(tail)

    def content(self, tail: Tail, now: float) -> Content | None:
        """Return a file's content, opened if need be; None if it is another file by now."""
        if tail.content is not None:
            return tail.content
        for attempt in range(2):
            content = open_content(tail.path, tail.place)
            if content is not None:
                break
            if attempt == 0:
                self.scan(now, adopt=False)
        if content is None:
            self._lose(tail)
            return None
        line = content.first_line(to_end=self._to_end)
        if line is None or line_of(self._key, line) != tail.line:
            content.close()
            self.drop(tail)
            return None
        tail.content = content
        return content

    def drop(self, tail: Tail) -> None:
        """Stop following a file; if it is still there, the next scan meets it as another one."""
        tail.close()
        self._by_place.pop(tail.place, None)
        alike = self._by_line.get(tail.line, {})
        alike.pop(tail.place, None)
        if not alike:
            self._by_line.pop(tail.line, None)

    def close(self) -> None:
        """Let go of all files."""
        for tail in self:
            self.drop(tail)

    def _stands_still(self, path: str, place: Place, status: stat_result, now: float) -> bool:
        if self._to_end or codec_of(path) is None:
            return True
        size, since = self._seen.get(place, (-1, now))
        if size != status.st_size:
            self._seen[place] = (status.st_size, now)
            return False
        return now - since >= SETTLE_SECONDS

    def _meet(self, path: str, place: Place, status: stat_result, now: float) -> None:
        content = open_content(path, place)
        if content is None:
            return
        line = content.first_line(to_end=self._to_end)
        if line is None:
            content.close()
            self.unknown[place] = status.st_size
            return
        self._seen.pop(place, None)
        tail = Tail(
            path,
            place,
            line_of(self._key, line),
            beginnings(self._key, content.head()),
            old_app_id_of(self._key, status.st_ino, line),
            isinstance(content, PackedContent),
            status.st_size,
            status.st_mtime_ns,
            now,
            content,
            goal=status.st_size,
        )
        self._by_place[place] = tail
        self._by_line.setdefault(tail.line, {})[place] = tail

    def _update(self, tail: Tail, path: str, status: stat_result, now: float) -> None:
        if path != tail.path:
            LOG.info("%s is now %s", tail.path, path)
            tail.path = path
        if status.st_size != tail.size:
            tail.size, tail.changed, tail.ended = status.st_size, now, False
        tail.modified = status.st_mtime_ns
        tail.missing_since = None

    def _miss(self, tail: Tail, now: float) -> None:
        """Follow a file whose name is gone, for a while and while it has something unread."""
        if tail.content is None:
            self._lose(tail)
            return
        size = (tail.position or 0) + tail.content.unread(tail.position or 0)
        if not tail.packed and size != tail.size:
            tail.size, tail.changed = size, now
        if tail.missing_since is None:
            tail.missing_since = now
        quiet = now - max(tail.missing_since, tail.changed) >= ROTATION_GRACE_SECONDS
        if quiet and (not tail.unread or tail.stuck_at == tail.size):
            self.drop(tail)

    def _lose(self, tail: Tail) -> None:
        self.drop(tail)
        if self._to_end and not tail.finished:
            raise SourceError(
                "an input is gone before it was read",
                where=tail.path,
                remedy="Leave files in place until the run has ended, then run again.",
            )
        if tail.unread:
            LOG.warning("%s is gone, %d bytes of it may not have been read", tail.path, tail.unread)

    def _limit_open(self) -> None:
        held = [tail for tail in self if tail.content is not None]
        if len(held) > MAX_OPEN:
            held.sort(key=lambda tail: (tail.missing_since is not None, tail.unread > 0))
            for tail in held[: len(held) - MAX_OPEN]:
                tail.close()
