"""A text file that only grows, shared by processes: durable lines, healed after a crash.

A line counts once its line feed is on the disk; a crash in the middle of one leaves a torn tail
that readers pass over and the next writer cuts off. A marker beside the file remembers how long
the file was when it was last written, and a hash chained over its lines up to there. So a file
that was emptied, cut at its end, replaced or removed between two runs is told from one that was
never created, and nothing goes on with half a list. Lines beyond the marker are fine: a crash came
between the two writes. A register elsewhere remembers that the file was begun, for the case that
file and marker are removed together.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.io.disk.atomic import replacing
from pipeline.io.disk.line_chain import NO_LINES, Fold, blocks_of, chained, size_of, whole_lines
from pipeline.io.disk.list_marker import FileGone, Left, ListMarker, Vouched
from pipeline.io.disk.locks import PRIVATE_FILE, locked, make_private_folder, sync_folder
from pipeline.io.disk.private import write_private

LOOKS = 5
"""How often to read a file and its marker while another process is changing them."""


class Register(Protocol):
    """Remembers elsewhere that a file was begun."""

    def known(self) -> bool:
        """Whether the file was begun before."""

    def note(self) -> None:
        """Remember that the file was begun; durable when this returns."""


@dataclass(frozen=True, slots=True)
class ReadMark:
    """How far a reader has read, and of which file."""

    inode: int = 0
    size: int = 0
    """Bytes up to the end of the last whole line."""
    lines: int = 0
    chain: bytes = NO_LINES
    """The hash chained over these lines."""


START = ReadMark()


@dataclass(frozen=True, slots=True)
class Growth:
    """What a reader found beyond its mark."""

    lines: Sequence[bytes]
    mark: ReadMark
    restarted: bool
    """The file is not the one from before: `lines` is all of it."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far `follow` came."""

    mark: ReadMark
    restarted: bool
    """The file is not the one from before: it was handed over from its beginning."""


Take = Callable[[bytes], None]
"""Gets the lines of a file, in blocks of whole lines with their line feeds."""


def companions(name: str) -> tuple[str, str]:
    """Return the hidden names beside a file of that name: its marker and its lock."""
    return f".{name}.created", f".{name}.lock"


class AppendFile:
    """One such file. Raises OSError as the system does; callers say what it means."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self.path = path
        self._register = register
        self._never_begun = self._noted = False
        marker, self._lock = (path.with_name(name) for name in companions(path.name))
        self._marker = ListMarker(marker)

    def read(self, mark: ReadMark = START) -> Growth:
        """Return the whole lines beyond `mark`; none if the file was never created.

        Raises FileGone if the file is not the one that was written.
        """
        lines: list[bytes] = []

        def begin() -> Take:
            lines.clear()
            return lambda block: lines.extend(whole_lines(block))

        reached = self.follow(mark, begin)
        return Growth(lines, reached.mark, reached.restarted)

    def follow(self, mark: ReadMark, begin: Callable[[], Take]) -> Reached:
        """Hand over the whole lines beyond `mark` block by block, and return how far it came.

        They go to what `begin` returns; it is called again if the file changed meanwhile, and
        what was handed over before counts for nothing then. Raises FileGone as `read` does, at
        the end: what was handed over counts for nothing then, too.
        """
        for _ in range(LOOKS):
            vouched = self._marker.read()
            found = self._follow(mark, vouched, begin())
            if isinstance(found, Reached):
                return found
            if self._marker.read() == vouched:
                break
        raise FileGone(found)

    def resume(self, size: int, lines: int, chain: bytes) -> ReadMark | None:
        """Return the mark of somebody who knows what so many bytes, lines and their hash say.

        None if nothing vouches for that: the file is shorter, is being replaced, was written by
        anybody else since it was last found whole, or its lines do not go on from that hash.
        """
        vouched = self._marker.read()
        if vouched is None or len(vouched.states) > 1 or vouched.shortest < size:
            return None
        left = self._left()
        if left is None or left != vouched.left:
            return None
        fold = Fold(size, chain, vouched.states)
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(size)
            for block in blocks_of(file):
                fold.add(block)
        return ReadMark(left[0], size, lines, chain) if fold.met else None

    def note_whole(self, mark: ReadMark) -> None:
        """Remember that the file was found whole up to `mark`, its end; the caller holds
        `exclusive`, and has held it since it read the file.
        """
        vouched, left = self._marker.read(), self._left()
        if vouched is None or left is None or left[0] != mark.inode:
            return
        state = mark.size, mark.chain
        # A crash may have come between a line and the marker, or between two states of it.
        again = vouched.states == (state,)
        self._marker.write(vouched.generation + (not again), [state], left)

    def lines(self) -> Sequence[bytes]:
        """Return the whole lines as they are, for a list whose own chain tells what is wrong.

        Raises FileGone only if the file has disappeared.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return self.read().lines
        return whole_lines(content)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the file's lock: what is read inside is still true when it is written."""
        make_private_folder(self.path.parent)
        with locked(self._lock):
            yield

    def append(self, lines: Sequence[str]) -> None:
        """Add lines and make them durable; the caller holds `exclusive`.

        If this raises, none of the lines counts: what was written of them is a torn tail, or is
        cut off again. Raises FileGone as `read` does, as far as it shows at the end of the file.
        """
        before, left = self._marker.read(), self._left()
        followed = left == (None if before is None else before.left)
        size, chain = self._end()
        content = "".join(f"{line}\n" for line in lines).encode()
        created = not self.path.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self.path, flags, PRIVATE_FILE), "r+b") as file:
            file.truncate(size)
            file.seek(size)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.raw.truncate(size)
                raise
        if created:
            sync_folder(self.path.parent)
        after = (size + len(content), chained(chain, whole_lines(content)))
        self._vouch(after, left=self._left() if followed else None)

    def replace(self, lines: Sequence[bytes]) -> None:
        """Rewrite the file in one step; the caller holds `exclusive` and has read the file."""
        content = b"".join(line + b"\n" for line in lines)
        after = len(content), chained(NO_LINES, lines)
        self._vouch(self._end(), after)
        write_private(self.path, content)
        self._vouch(after, left=self._left())

    def rewrite(self, change: Callable[[bytes], bytes], at: int = 0) -> bytes:
        """Rewrite the file as `replace` does, block by block; the caller holds `exclusive`.

        `change` gets blocks of whole lines and returns as many bytes. Return the new hash over
        the first `at` bytes. Raises FileGone if the file is not the one that was written.
        """
        before = self._end()
        old, new = Fold(0, NO_LINES, [before]), Fold(0, NO_LINES, [])
        first = Fold(0, NO_LINES, [])
        with replacing(self.path, secrets.token_hex(4), PRIVATE_FILE) as file:
            with self.path.open("rb") as source:
                for block in blocks_of(source):
                    old.add(block)
                    changed = change(block)
                    file.write(changed)
                    first.add(changed[: max(0, at - new.size)])
                    new.add(changed)
            if not old.met:
                raise FileGone("its lines are not those that were written")
            self._vouch(before, (new.size, new.chain))
        self._vouch((new.size, new.chain), left=self._left())
        return first.chain

    def vouch_if_old(self) -> None:
        """Give a file of version 0.1 the marker of this version; others are left alone.

        So is one whose marker cannot be read: the next reader reports it.
        """
        with suppress(FileGone):
            if self.path.exists() and self._marker.read() is None:
                with self.exclusive():
                    if self._marker.read() is None:
                        self._vouch(self._end())

    def accept(self) -> int:
        """Accept the file as it is as the one that was written; return how many lines it has.

        The deliberate end of a FileGone that nothing can repair. One that is gone is empty now.
        """
        with self.exclusive():
            content = self.path.read_bytes() if self.path.exists() else b""
            lines = whole_lines(content)
            self._vouch((size_of(lines), chained(NO_LINES, lines)), left=self._left())
        return len(lines)

    def generation(self) -> int | None:
        """Return a number that grows whenever the file is written; None if no marker gives it.

        A copy from a backup gives the number from its time.
        """
        try:
            vouched = self._marker.read()
        except FileGone:
            return None
        return None if vouched is None else vouched.generation

    # -- file and marker ------------------------------------------------------------------------

    def _follow(self, mark: ReadMark, vouched: Vouched | None, take: Take) -> Reached | str:
        """Hand over what is beyond `mark`; return why if file and marker do not fit together."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            if mark != START or (vouched.shortest > 0 if vouched else self._was_begun()):
                return "it existed before and is gone"
            return Reached(START, restarted=False)
        with file:
            seen = os.fstat(file.fileno())
            restarted = seen.st_ino != mark.inode
            if seen.st_size < mark.size or (vouched and seen.st_size < vouched.shortest):
                return "it is cut short"
            if vouched is None and self._was_begun():
                return "what remembers its length is gone"
            begin = START if restarted else mark
            fold = Fold(begin.size, begin.chain, vouched.states if vouched else ())
            file.seek(begin.size)
            for block in blocks_of(file):
                fold.add(block)
                take(block)
        if vouched is not None and not fold.met:
            return "its lines are not those that were written"
        reached = ReadMark(seen.st_ino, fold.size, begin.lines + fold.lines, fold.chain)
        return Reached(reached, restarted)

    def _end(self) -> tuple[int, bytes]:
        """Return where the last whole line ends, and the hash up to there; begin a new file.

        Only what lies beyond the marker is read. Raises FileGone for a file that is too short.
        """
        vouched = self._marker.read()
        if not self.path.exists():
            if vouched.shortest > 0 if vouched else self._was_begun():
                raise FileGone("it existed before and is gone")
            self._vouch((0, NO_LINES))
            return 0, NO_LINES
        if vouched is None or len(vouched.states) > 1:
            mark = self.read().mark
            return mark.size, mark.chain
        ((size, chain),) = vouched.states
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < size:
                raise FileGone("it is cut short")
            file.seek(size)
            content = file.read()
        lines = whole_lines(content)
        return size + size_of(lines), chained(chain, lines)

    def _vouch(self, *states: tuple[int, bytes], left: Left | None = None) -> None:
        self._marker.write((self.generation() or 0) + 1, states, left)
        if self._register is not None and not self._noted:
            self._register.note()
            self._noted = True

    def _left(self) -> Left | None:
        """Return how the file looks to the system now; None if it is not there."""
        try:
            seen = self.path.stat()
        except FileNotFoundError:
            return None
        return seen.st_ino, seen.st_ctime_ns

    def _was_begun(self) -> bool:
        """Whether a file of this version was begun here, whatever is left of it."""
        if self._register is None:
            return self._marker.exists() and not self.path.exists()
        if not self._never_begun and not self._register.known():
            self._never_begun = True
        return not self._never_begun or (self._marker.exists() and not self.path.exists())
