"""One file, as one reader knows it: where it is, what it is, and how far it has been read."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.io.files.identity import Match
from pipeline.io.files.open_file import Content
from pipeline.io.files.paths import Place


@dataclass(slots=True)
class Tail:
    """See the module."""

    path: str
    place: Place
    line: str
    """The hash of its first line."""
    beginnings: dict[int, bytes]
    """Hashes of its first bytes, by rung."""
    old: str
    """The app id that version 0.1 gave it."""
    packed: bool
    size: int
    """As last seen."""
    modified: int
    """Its modification time in nanoseconds, as last seen."""
    changed: float
    """When the size was last seen to change (monotonic seconds)."""
    content: Content | None
    match: Match | None = None
    """Which source it is, and where the lake stands; None: ask."""
    goal: int = 0
    """The size when the reader was opened."""
    stuck_at: int | None = None
    """The size at which there was no complete line after the position."""
    echo_at: int | None = None
    """The size at which it held nothing but a part of another file that is there."""
    ended: bool = False
    """A compressed file has been read to its end."""
    committed: float = float("-inf")
    missing_since: float | None = None
    noted: bytes = b""
    """The hint that was left about it."""
    header: tuple[int, bytes] = (0, b"")
    """A position, and the last header line before it."""

    @property
    def position(self) -> int | None:
        """The next position as the lake had it; None: ask."""
        return None if self.match is None else self.match.position

    @property
    def unread(self) -> int:
        """Bytes that are there and not in the lake; of a compressed file its size or nothing."""
        if self.echo_at == self.size:
            return 0
        if self.packed:
            return 0 if self.ended else self.size
        return max(0, self.size - (self.position or 0))

    @property
    def finished(self) -> bool:
        """Whether all that was there when the reader was opened is in the lake, or not a line."""
        if self.echo_at is not None:
            return True
        if self.packed:
            return self.ended
        return self.position is not None and (
            self.position >= self.goal or self.stuck_at is not None
        )

    def forget(self) -> None:
        """Ask the lake again before the next line is read."""
        self.match = self.stuck_at = self.echo_at = None
        self.ended = False

    def close(self) -> None:
        """Let go of the file."""
        if self.content is not None:
            self.content.close()
            self.content = None
