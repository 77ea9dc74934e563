"""The snapshot of the opt-out list: its lines up to one of them, packed, for a quick start.

A hidden file beside the list, of a header and the records that `records` describes. It
holds nothing that the list does not, may be removed at any time, and is believed only if it is
private, whole (a SHA-256 over all of it), and says which length and chained hash of the list it was
made from; whoever uses it then compares that with what the list's marker vouches for.
"""

from __future__ import annotations

import json
import os
import secrets
import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pipeline.errors import KeyUnavailable
from pipeline.io.disk.atomic import replacing
from pipeline.io.disk.locks import PRIVATE_FILE, sync_folder
from pipeline.io.disk.private import signature
from pipeline.io.standings.lines import StandingColumns
from pipeline.io.standings.records import (
    CHUNK,
    RECORD,
    Merge,
    PackedStandings,
    columns_of,
    firsts_of,
    joined,
)
from pipeline.parsing import parse_json

VERSION = 1
HEADER = 512
"""Bytes of the header: one JSON object, filled up with blanks."""


@dataclass(frozen=True, slots=True)
class SnapshotHeader:
    """What a snapshot says of itself."""

    size: int
    """Bytes of the list that it covers."""
    lines: int
    chain: str
    """The hash chained over these lines, in hexadecimal digits."""
    count: int
    out: int
    """Records of accounts that opted out once and did not change their mind."""
    room: int
    """Bytes of the lines behind the records."""


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """One that is whole."""

    header: SnapshotHeader
    standings: PackedStandings
    untouched: Callable[[], bool]
    """Whether the file is still there, and nobody has written to it since it was found whole."""


def snapshot_path(path: Path) -> Path:
    """Return where the snapshot of a list lies: hidden, beside it.

    >>> snapshot_path(Path("state/optout.ndjson")).name
    '.optout.ndjson.table'
    """
    return path.with_name(f".{path.name}.table")


def open_snapshot(path: Path) -> ListSnapshot | None:
    """Return the snapshot if it is private and whole; None if it is not, or not there.

    Raises OSError if it cannot be read.
    """
    try:
        signature(path)
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, KeyUnavailable):
        return None
    opened = _Opened(handle)
    stamp = opened.stamp()
    found = header_of(opened.read(0, HEADER))
    if found is None:
        return None
    header, digest = found
    records = header.count * RECORD.itemsize
    if opened.size() != HEADER + records + header.room:
        return None
    body = sha256()
    firsts = []
    try:
        for block in opened.blocks(HEADER, records):
            body.update(block)
            firsts.append(firsts_of(columns_of(block)[0]))
        for block in opened.blocks(HEADER + records, header.room):
            body.update(block)
    except EOFError:
        return None
    if _digest(header, body.digest()) != digest or opened.stamp() != stamp:
        return None

    def read(at: int, size: int) -> bytes:
        return opened.read(HEADER + at, size)

    standings = PackedStandings(read, header.count, joined(firsts), header.out)
    return ListSnapshot(header, standings, lambda: opened.stamp() == stamp)


def write_snapshot(
    path: Path,
    at: tuple[int, int, bytes],
    base: PackedStandings,
    newer: StandingColumns,
) -> None:
    """Put base and newer entries at `path` in one step; whoever writes holds the list's lock.

    `at` is bytes, lines and chained hash of the list that they come from. What a killed writer
    left is removed. Raises OSError.
    """
    remove_unfinished(path)
    merge = Merge(base, newer)
    with replacing(path, secrets.token_hex(4), PRIVATE_FILE) as file:
        file.write(bytes(HEADER))
        body = sha256()
        for block in merge.records():
            body.update(block)
            file.write(block)
        lines = merge.lines()
        body.update(lines)
        file.write(lines)
        size, count, chain = at
        header = SnapshotHeader(size, count, chain.hex(), merge.count, merge.out, len(lines))
        file.seek(0)
        file.write(_written(header, _digest(header, body.digest())))


def remove_snapshot(path: Path) -> None:
    """Remove the snapshot, and what a killed writer left of one; durable when this returns."""
    remove_unfinished(path)
    if path.exists():
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def remove_unfinished(path: Path) -> None:
    """Remove what killed writers left; the caller holds the list's lock, so none is alive."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink(missing_ok=True)


def header_of(content: bytes) -> tuple[SnapshotHeader, str] | None:
    """Return a header, and the digest that it names; None if it is none of this version."""
    try:
        said: dict[str, Any] = parse_json(content)
        if said.pop("version") != VERSION:
            return None
        digest = str(said.pop("digest"))
        numbers = {name: int(said.pop(name)) for name in ("size", "lines", "count", "out", "room")}
        header = SnapshotHeader(chain=str(said.pop("chain")), **numbers)
        whole = not said and len(bytes.fromhex(header.chain)) == 32 and min(numbers.values()) >= 0
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return (header, digest) if whole else None


def _written(header: SnapshotHeader, digest: str) -> bytes:
    said = {"version": VERSION, **asdict(header), "digest": digest}
    return json.dumps(said).encode().ljust(HEADER)


def _digest(header: SnapshotHeader, body: bytes) -> str:
    return sha256(_written(header, "") + body).hexdigest()


class _Opened:
    """An open file for reading anywhere; it is closed with the last reference to it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        weakref.finalize(self, os.close, handle)

    def read(self, at: int, size: int) -> bytes:
        return os.pread(self._handle, size, at)

    def blocks(self, at: int, size: int) -> Iterator[bytes]:
        """Yield blocks of whole records. Raises EOFError if the file is shorter."""
        most = CHUNK * RECORD.itemsize
        for begin in range(at, at + size, most):
            content = self.read(begin, min(most, at + size - begin))
            if len(content) < min(most, at + size - begin):
                raise EOFError
            yield content

    def size(self) -> int:
        return os.fstat(self._handle).st_size

    def stamp(self) -> tuple[int, int]:
        """Return what changes with whatever is done to the file."""
        seen = os.fstat(self._handle)
        return seen.st_ctime_ns, seen.st_nlink
