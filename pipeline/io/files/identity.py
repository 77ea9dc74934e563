"""What a file is: keyed hashes of its beginning and of what precedes its position.

A file is its content. Where it is (device, inode, name) is only a hint of where to look for it.
The lake's log holds three things about a source, each under an application id of its own:

    file/<identity>/0        the position; the identity is a hash of the file's beginning
    file/<identity>/0/tail   a hash of the last 64 KiB before the position
    file/<first line>/begun  how many sources began with this first line

and `file/<inode and first line>/0/adopted` for a position of version 0.1 that was taken over.

The beginning that is hashed is the longest of `RUNGS` that had been read when the source was
first committed. So a file is looked up under each rung that it is long enough for: at most
nine lookups, however many files are known. The count of beginnings ensures two things: a first
line that no source began with is new without any further lookup, and two processes that meet the
same new file cannot both begin it.

Pure functions on bytes. The key never leaves the state folder: nobody can test a guessed line
against the log.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from pipeline.errors import SourceError

WINDOW = 64 * 1024
"""How much is hashed at the beginning and before the position."""

RUNGS = tuple(4**power for power in range(8, -1, -1))
"""Lengths of beginnings, the longest first: 64 KiB down to one byte."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A source that begins like a file but does not agree with it."""

    app_id: str
    position: int
    rung: int
    """How many bytes at the beginning are the same."""
    shorter: bool
    """Whether the file ends before the source's position."""
    damage: SourceError | None = None
    """Why this cannot be determined: the archive is damaged before the position."""

    @property
    def alike(self) -> bool:
        """Whether too much is the same for a coincidence."""
        return self.rung == WINDOW


@dataclass(frozen=True, slots=True)
class Match:
    """What the lake's log knows about a file's content."""

    app_id: str | None
    """The source that the file is; None: the lake has no source that it agrees with."""
    position: int = 0
    tail: int | None = None
    """The mark of the source, as the log has it."""
    begun: int | None = None
    """How many sources began with the file's first line."""
    adopts: str | None = None
    """The app id under which version 0.1 knew the file, if it is known by that alone."""
    rivals: tuple[Rival, ...] = ()
    free: str | None = None
    """An app id for its beginning that no source has, as far as was looked up."""

    @property
    def is_new(self) -> bool:
        """Whether the lake has nothing from it."""
        return self.app_id is None and self.adopts is None


def beginnings(key: bytes, head: bytes) -> dict[int, bytes]:
    """Hash a file's first bytes at every rung that they reach, the longest first."""
    return {
        rung: _keyed(key, b"head", b"%d" % rung, head[:rung]) for rung in RUNGS if rung <= len(head)
    }


def app_id_of(beginning: bytes, number: int) -> str:
    """Return where the position of source number `number` (0 ...) with this beginning is kept."""
    identity = hmac.digest(beginning, b"%d" % number, "sha256")[:8].hex()
    return f"file/{identity}/0"


def tail_id_of(app_id: str) -> str:
    """Return where the hash of what precedes a position is kept."""
    return f"{app_id}/tail"


def tail_of(key: bytes, window: bytes) -> int:
    """Hash what precedes a position, as a signed 64-bit number."""
    return int.from_bytes(_keyed(key, b"tail", b"", window)[:8], signed=True)


def line_of(key: bytes, line: bytes) -> str:
    """Hash a file's first line."""
    return _keyed(key, b"line", b"", line)[:8].hex()


def begun_id_of(line: str) -> str:
    """Return where sources that begin with a line are counted; `line` is its hash."""
    return f"file/{line}/begun"


def place_of(key: bytes, *place: object) -> str:
    """Hash where a file is, for the names of hints."""
    return _keyed(key, b"place", b"", "\0".join(map(str, place)).encode())[:8].hex()


def old_app_id_of(key: bytes, inode: int, line: bytes) -> str:
    """Return where version 0.1 kept the position: its identity was the inode and the first line."""
    text = b"%d\0%b" % (inode, line)
    return f"file/{hmac.digest(key, text, 'sha256')[:8].hex()}/0"


def adopted_id_of(old: str) -> str:
    """Return where it is noted that a position of version 0.1 belongs to a source of ours now."""
    return f"{old}/adopted"


def _keyed(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"\0".join(parts), "sha256")[:16]
