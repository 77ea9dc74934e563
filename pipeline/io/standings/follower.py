"""Follows the file of an opt-out list: from its snapshot, then line by line.

The list is the truth. Its snapshot (`snapshot`) is believed as far as the list's marker
vouches for the lines that it was made from, and only while nobody but us has written to the list
since it was last found whole; else the whole list is read once more, to its last line. When more
than `TAIL` bytes of the list lie beyond the snapshot, the next process that notices writes a new
one, under the list's lock. Where none can be written, the same records are kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pipeline.io.disk.append_log import LOOKS, START, AppendFile, ReadMark, Take
from pipeline.io.standings.entries import decode
from pipeline.io.standings.lines import LineReader, StandingColumns, is_blank
from pipeline.io.standings.records import NOTHING, PackedStandings, packed
from pipeline.io.standings.snapshot import (
    ListSnapshot,
    open_snapshot,
    remove_snapshot,
    snapshot_path,
    write_snapshot,
)
from pipeline.io.standings.table import StandingTable, changes_of

TAIL = 2 * 1024 * 1024
"""Bytes of the list beyond its snapshot, at which it gets another one: some 13,000 lines."""

_HEAD = b'{"token":"'
_TOKEN = slice(len(_HEAD), len(_HEAD) + 32)


class Seen(NamedTuple):
    """How the file of a list looks to the system."""

    inode: int
    size: int
    modified: int
    changed: int


class ListFollower:
    """What one process knows of the list. Raises FileGone, MalformedLine and OSError."""

    def __init__(self, file: AppendFile) -> None:
        self.table = StandingTable()
        """The list as of the last time."""
        self._file = file
        self._path = snapshot_path(file.path)
        self._holding = False
        self._seen: Seen | None = None
        self.reset()

    def reset(self) -> None:
        """Forget what was read: the next time the list is read from its snapshot on."""
        self._start_from(NOTHING, START, None)
        self._seen = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock of the list: what is read inside is still true when it is written."""
        if self._holding:
            yield
            return
        with self._file.exclusive():
            self._holding = True
            try:
                yield
            finally:
                self._holding = False

    def catch_up(self) -> None:
        """Read what was added since the last time, or everything if the file was replaced.

        Costs two calls of the system while nothing changed.
        """
        seen = self._look()
        if seen is not None and seen == self._seen and self._is_sound():
            return
        self._seen = None
        for _ in range(LOOKS):
            if not self._is_sound():
                self.reset()
            if self._mark == START:
                self._begin()
            seen = self._look()
            if seen is not None and seen.size - self._base_mark.size > TAIL:
                self._pack()
                break
            if self._read_on():
                break
            # The list was replaced: it is read from its own beginning.
            self.reset()
        self._seen = seen

    def forget(self, tokens: AbstractSet[str]) -> None:
        """Overwrite every line of these tokens with blanks, in the snapshot, too.

        The caller holds `exclusive` and has caught up. The snapshot goes first, so a crash leaves
        none that knows more than the list.
        """
        remove_snapshot(self._path)
        base, old = self._base, self._base_mark
        chain = self._file.rewrite(lambda block: _blanked(block, tokens), old.size)
        self.reset()
        if old == START:
            return
        inode = self._file.path.stat().st_ino
        reader, reached = self._read(ReadMark(inode, old.size, old.lines, chain))
        reader.forget(tokens)
        self._keep(base, reader.columns(), reached)

    # -- reading --------------------------------------------------------------------------------

    def _is_sound(self) -> bool:
        return self._snapshot is None or self._snapshot.untouched()

    def _start_from(
        self, base: PackedStandings, mark: ReadMark, snapshot: ListSnapshot | None
    ) -> None:
        self._base, self._base_mark, self._snapshot = base, mark, snapshot
        self._mark = mark
        self.table = StandingTable(base)

    def _begin(self) -> None:
        """Start from the snapshot, if it can be believed; else it goes."""
        found = self._believed()
        if found is None and self._path.exists():
            with suppress(OSError), self.exclusive():
                # Another process may have written one while we waited for the lock.
                found = self._believed()
                if found is None:
                    remove_snapshot(self._path)
        if found is not None:
            snapshot, mark = found
            self._start_from(snapshot.standings, mark, snapshot)

    def _believed(self) -> tuple[ListSnapshot, ReadMark] | None:
        snapshot = open_snapshot(self._path)
        if snapshot is None:
            return None
        header = snapshot.header
        covered = header.size, header.lines, bytes.fromhex(header.chain)
        mark = self._file.resume(*covered)
        if mark is None:
            with suppress(OSError), self.exclusive():
                whole = self._file.follow(START, lambda: lambda _: None)
                self._file.note_whole(whole.mark)
            mark = self._file.resume(*covered)
        return None if mark is None else (snapshot, mark)

    def _read_on(self) -> bool:
        """Read what lies beyond the mark into the table's changes.

        Return False, and change nothing, if that is another file than before.
        """
        reader, reached = self._read(self._mark)
        if self._mark not in (START, reached) and reached.inode != self._mark.inode:
            return False
        changes = changes_of(reader.columns())
        self._mark = reached
        if changes:
            self.table = self.table.changed(changes)
        return True

    def _pack(self) -> None:
        """Make the snapshot, unless another process has while we waited for the lock."""
        try:
            with self.exclusive():
                self._pack_alone()
        except OSError:
            # A folder that cannot be written: everybody packs for himself.
            self._pack_alone()

    def _pack_alone(self) -> None:
        self.reset()
        self._begin()
        seen = self._look()
        if seen is not None and seen.size - self._base_mark.size <= TAIL and self._read_on():
            return
        reader, reached = self._read(self._base_mark)
        base = self._base if reached.inode == self._base_mark.inode else NOTHING
        self._keep(base, reader.columns(), reached)

    def _look(self) -> Seen | None:
        try:
            seen = self._file.path.stat()
        except FileNotFoundError:
            return None
        return Seen(seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)

    def _keep(self, base: PackedStandings, newer: StandingColumns, reached: ReadMark) -> None:
        """Start from base and newer entries: in a snapshot, or where there can be none, in
        memory."""
        snapshot = None
        if self._holding:
            with suppress(OSError):
                self._file.note_whole(reached)
                at = reached.size, reached.lines, reached.chain
                write_snapshot(self._path, at, base, newer)
                snapshot = open_snapshot(self._path)
        standings = packed(base, newer) if snapshot is None else snapshot.standings
        self._start_from(standings, reached, snapshot)

    def _read(self, mark: ReadMark) -> tuple[LineReader, ReadMark]:
        readers: list[LineReader] = []

        def begin() -> Take:
            readers[:] = [LineReader()]
            return readers[0].add

        reached = self._file.follow(mark, begin)
        reader = readers[0]
        reader.before = 0 if reached.restarted else mark.lines
        return reader, reached.mark


def _blanked(block: bytes, tokens: AbstractSet[str]) -> bytes:
    """Return the lines of a block with blanks instead of those of the tokens."""
    sought = {token.encode() for token in tokens}
    lines = block.split(b"\n")[:-1]
    for at, line in enumerate(lines):
        if line.startswith(_HEAD):
            gone = line[_TOKEN] in sought
        else:
            gone = not is_blank(line) and decode(line)[0] in tokens
        if gone:
            lines[at] = b" " * len(line)
    return b"".join(line + b"\n" for line in lines)
