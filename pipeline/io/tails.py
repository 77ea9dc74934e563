"""The files that a reader knows: found by path, told apart by inode, followed through renames."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import stat_result

from pipeline.errors import SourceError
from pipeline.io.compressed import codec_of
from pipeline.io.content import Content, PackedContent, open_content
from pipeline.io.inputs import find_inputs

LOG = logging.getLogger(__name__)

MAX_OPEN = 128
"""Files held open at once; one that is held is read to its end even if it is renamed away."""

ROTATION_GRACE_SECONDS = 60.0
"""A file whose name is gone is followed for so long: its writer may not know yet."""

SETTLE_SECONDS = 2.0
"""A compressed file is taken when its size has stood still for so long."""


def identity_of(key: bytes, inode: int, line: bytes) -> str:
    """Return a file's identity: 16 hex digits of a keyed hash of its inode and first line."""
    return hmac.digest(key, b"%d\0%b" % (inode, line), "sha256")[:8].hex()


@dataclass(slots=True)
class Tail:
    """One file, as one reader knows it."""

    path: str
    inode: int
    identity: str
    packed: bool
    size: int
    """As last seen."""
    changed: float
    """When the size was last seen to change (monotonic seconds)."""
    content: Content | None
    position: int | None = None
    """The next position as the lake had it; None: ask."""
    goal: int = 0
    """The size when the reader was opened."""
    stuck_at: int | None = None
    """The size at which there was no complete line after the position."""
    ended: bool = False
    """A compressed file has been read to its end."""
    committed: float = float("-inf")
    missing_since: float | None = None

    @property
    def app_id(self) -> str:
        return f"file/{self.identity}/0"

    @property
    def unread(self) -> int:
        """Bytes that are there and not in the lake; of a compressed file its size or nothing."""
        if self.packed:
            return 0 if self.ended else self.size
        return max(0, self.size - (self.position or 0))

    @property
    def finished(self) -> bool:
        """Whether all that was there when the reader was opened is in the lake, or is no line."""
        if self.packed:
            return self.ended
        return self.position is not None and (
            self.position >= self.goal or self.stuck_at is not None
        )

    def close(self) -> None:
        if self.content is not None:
            self.content.close()
            self.content = None


class Tails:
    """All files of one reader, by inode."""

    def __init__(self, paths: Sequence[str], key: bytes, *, to_end: bool) -> None:
        self._paths = paths
        self._key = key
        self._to_end = to_end
        self._by_inode: dict[int, Tail] = {}
        self.unknown: dict[int, int] = {}
        """Sizes of files that have no identity yet: their first line is not complete."""
        self._seen: dict[int, tuple[int, float]] = {}
        """Sizes of compressed files that have no identity yet, and since when they have it."""

    def __iter__(self) -> Iterator[Tail]:
        return iter(list(self._by_inode.values()))

    def scan(self, now: float, *, adopt: bool) -> None:
        """Look which files are there. `adopt` says whether new ones are taken in."""
        found = find_inputs(self._paths)
        if adopt:
            self.unknown.clear()
        for inode, (path, status) in found.items():
            tail = self._by_inode.get(inode)
            if tail is not None and status.st_size < tail.size and not self._same(tail):
                del self._by_inode[inode]
                tail = None
            if tail is not None:
                self._update(tail, path, status.st_size, now)
            elif adopt and status.st_size and self._stands_still(path, inode, status, now):
                self._meet(path, inode, status, now)
        for inode in self._by_inode.keys() - found.keys():
            self._miss(self._by_inode[inode], now)
        self._limit_open()

    def content(self, tail: Tail, now: float) -> Content | None:
        """Return a file's content, opened if need be; None if it is another file by now."""
        if tail.content is not None:
            return tail.content
        for attempt in range(2):
            content = open_content(tail.path, tail.inode)
            if content is not None:
                break
            if attempt == 0:
                self.scan(now, adopt=False)
        if content is None:
            self._lose(tail)
            return None
        line = content.first_line(to_end=self._to_end)
        if line is None or identity_of(self._key, tail.inode, line) != tail.identity:
            content.close()
            del self._by_inode[tail.inode]
            return None
        tail.content = content
        return content

    def close(self) -> None:
        for tail in self._by_inode.values():
            tail.close()
        self._by_inode.clear()

    def _stands_still(self, path: str, inode: int, status: stat_result, now: float) -> bool:
        if self._to_end or codec_of(path) is None:
            return True
        size, since = self._seen.get(inode, (-1, now))
        if size != status.st_size:
            self._seen[inode] = (status.st_size, now)
            return False
        return now - since >= SETTLE_SECONDS

    def _meet(self, path: str, inode: int, status: stat_result, now: float) -> None:
        content = open_content(path, inode)
        if content is None:
            return
        packed = isinstance(content, PackedContent)
        line = content.first_line(to_end=self._to_end)
        if line is None:
            content.close()
            self.unknown[inode] = status.st_size
            return
        self._seen.pop(inode, None)
        identity = identity_of(self._key, inode, line)
        size = status.st_size
        self._by_inode[inode] = Tail(path, inode, identity, packed, size, now, content, goal=size)

    @staticmethod
    def _same(tail: Tail) -> bool:
        """Tell whether a file that got shorter is known to be the same: it was held open.

        Raises `SourceError` if it is, and shorter than its position.
        """
        if tail.content is not None and not tail.packed:
            tail.content.unread(tail.position or 0)
        return tail.content is not None

    def _update(self, tail: Tail, path: str, size: int, now: float) -> None:
        if path != tail.path:
            LOG.info("%s is now %s", tail.path, path)
            tail.path = path
        if size != tail.size:
            tail.size, tail.changed, tail.ended = size, now, False
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
            tail.close()
            del self._by_inode[tail.inode]

    def _lose(self, tail: Tail) -> None:
        self._by_inode.pop(tail.inode, None)
        if self._to_end and not tail.finished:
            raise SourceError(
                "an input is gone before it was read",
                where=tail.path,
                remedy="Leave files in place until the run has ended, then run again.",
            )
        if tail.unread:
            LOG.warning("%s is gone, %d bytes of it may not have been read", tail.path, tail.unread)

    def _limit_open(self) -> None:
        held = [tail for tail in self._by_inode.values() if tail.content is not None]
        if len(held) > MAX_OPEN:
            held.sort(key=lambda tail: (tail.missing_since is not None, tail.unread > 0))
            for tail in held[: len(held) - MAX_OPEN]:
                tail.close()
