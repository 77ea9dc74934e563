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

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pipeline.io.disk.locks import PRIVATE_FILE, locked, make_private_folder, sync_folder
from pipeline.io.disk.private import write_private

NO_LINES = bytes(32)
"""The chained hash of no lines."""
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


class FileGone(Exception):
    """The file is not what was written: removed, cut, emptied or replaced. Says which."""


@dataclass(frozen=True, slots=True)
class _Vouched:
    """What a marker says of its file: one state, or two while the file is being replaced."""

    states: tuple[tuple[int, bytes], ...]
    generation: int
    """How often the marker was written."""

    @property
    def shortest(self) -> int:
        return min(size for size, _ in self.states)


def companions(name: str) -> tuple[str, str]:
    """Return the hidden names beside a file of that name: its marker and its lock."""
    return f".{name}.created", f".{name}.lock"


def chained(chain: bytes, lines: Iterable[bytes]) -> bytes:
    """Return the hash chained over further lines.

    >>> chained(chained(NO_LINES, [b"a"]), [b"b"]) == chained(NO_LINES, [b"a", b"b"])
    True
    """
    for line in lines:
        chain = sha256(chain + line).digest()
    return chain


def whole_lines(content: bytes) -> list[bytes]:
    """Return the lines that end with a line feed, without it; a torn tail is left out.

    >>> whole_lines(b"a\\n\\nb\\ntorn")
    [b'a', b'', b'b']
    """
    return content.split(b"\n")[:-1]


def size_of(lines: Iterable[bytes]) -> int:
    """Return how many bytes these lines take with their line feeds."""
    return sum(len(line) + 1 for line in lines)


class AppendFile:
    """One such file. Raises OSError as the system does; callers say what it means."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self.path = path
        self._register = register
        self._never_begun = self._noted = False
        self._marker, self._lock = (path.with_name(name) for name in companions(path.name))

    def read(self, mark: ReadMark = START) -> Growth:
        """Return the whole lines beyond `mark`; none if the file was never created.

        Raises FileGone if the file is not the one that was written.
        """
        for _ in range(LOOKS):
            vouched = self._vouched()
            found = self._read(mark, vouched)
            if isinstance(found, Growth):
                return found
            if self._vouched() == vouched:
                break
        raise FileGone(found)

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
        self._vouch((size + len(content), chained(chain, whole_lines(content))))

    def replace(self, lines: Sequence[bytes]) -> None:
        """Rewrite the file in one step; the caller holds `exclusive` and has read the file."""
        content = b"".join(line + b"\n" for line in lines)
        after = len(content), chained(NO_LINES, lines)
        self._vouch(self._end(), after)
        write_private(self.path, content)
        self._vouch(after)

    def vouch_if_old(self) -> None:
        """Give a file of version 0.1 the marker of this version; others are left alone.

        So is one whose marker cannot be read: the next reader reports it.
        """
        with suppress(FileGone):
            if self.path.exists() and self._vouched() is None:
                with self.exclusive():
                    if self._vouched() is None:
                        self._vouch(self._end())

    def accept(self) -> int:
        """Accept the file as it is as the one that was written; return how many lines it has.

        The deliberate end of a FileGone that nothing can repair. One that is gone is empty now.
        """
        with self.exclusive():
            content = self.path.read_bytes() if self.path.exists() else b""
            lines = whole_lines(content)
            self._vouch((size_of(lines), chained(NO_LINES, lines)))
        return len(lines)

    def generation(self) -> int | None:
        """Return a number that grows whenever the file is written; None if no marker gives it.

        A copy from a backup gives the number from its time.
        """
        try:
            vouched = self._vouched()
        except FileGone:
            return None
        return None if vouched is None else vouched.generation

    # -- file and marker ------------------------------------------------------------------------

    def _read(self, mark: ReadMark, vouched: _Vouched | None) -> Growth | str:
        """Return what is beyond `mark`, or why file and marker do not fit together."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            if mark != START or (vouched.shortest > 0 if vouched else self._was_begun()):
                return "it existed before and is gone"
            return Growth((), START, restarted=False)
        with file:
            seen = os.fstat(file.fileno())
            restarted = seen.st_ino != mark.inode
            if seen.st_size < mark.size or (vouched and seen.st_size < vouched.shortest):
                return "it is cut short"
            begin = START if restarted else mark
            file.seek(begin.size)
            content = file.read()
        lines = whole_lines(content)
        if vouched is None:
            if self._was_begun():
                return "what remembers its length is gone"
            chain = chained(begin.chain, lines)
        else:
            found = _fold(begin, lines, vouched)
            if found is None:
                return "its lines are not those that were written"
            chain = found
        reached = ReadMark(
            seen.st_ino, begin.size + size_of(lines), begin.lines + len(lines), chain
        )
        return Growth(lines, reached, restarted)

    def _end(self) -> tuple[int, bytes]:
        """Return where the last whole line ends, and the hash up to there; begin a new file.

        Only what lies beyond the marker is read. Raises FileGone for a file that is too short.
        """
        vouched = self._vouched()
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

    def _vouched(self) -> _Vouched | None:
        """Return what the marker says; None if there is none, or one of version 0.1."""
        try:
            content = self._marker.read_bytes()
        except FileNotFoundError:
            return None
        if not content:
            return None
        try:
            said = json.loads(content)
            states = [(int(size), bytes.fromhex(chain)) for size, chain in said["states"]]
            generation = int(said["generation"])
        except (ValueError, TypeError, KeyError):
            raise FileGone("the record of its length cannot be read") from None
        return _Vouched(tuple(states), generation) if states else None

    def _vouch(self, *states: tuple[int, bytes]) -> None:
        written = [[size, chain.hex()] for size, chain in states]
        said = {"generation": (self.generation() or 0) + 1, "states": written}
        write_private(self._marker, json.dumps(said).encode())
        if self._register is not None and not self._noted:
            self._register.note()
            self._noted = True

    def _was_begun(self) -> bool:
        """Whether a file of this version was begun here, whatever is left of it."""
        if self._register is None:
            return self._marker.exists() and not self.path.exists()
        if not self._never_begun and not self._register.known():
            self._never_begun = True
        return not self._never_begun or (self._marker.exists() and not self.path.exists())


def _fold(begin: ReadMark, lines: Sequence[bytes], vouched: _Vouched) -> bytes | None:
    """Return the hash over all lines if one of the marker's states is met on the way, else None."""
    size, chain = begin.size, begin.chain
    wanted = dict[int, list[bytes]]()
    for at, expected in vouched.states:
        wanted.setdefault(at, []).append(expected)
    # What lies before the reader's own mark was compared when it was read.
    met = any(at < size for at in wanted) or chain in wanted.get(size, ())
    for line in lines:
        chain = sha256(chain + line).digest()
        size += len(line) + 1
        if size in wanted:
            met = met or chain in wanted[size]
    return chain if met else None
