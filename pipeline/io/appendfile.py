"""A text file that only grows, shared by processes: durable lines, healed after a crash.

A line counts once its line feed is on the disk; a crash in the middle of one leaves a torn tail
that readers pass over and the next writer cuts off. A marker beside the file remembers that it
was created, so that a file that disappears is told from one that never was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.io.keyfiles import write_private
from pipeline.io.locks import PRIVATE_FILE, locked, make_private_folder, sync_folder


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a reader has read, and of which file."""

    inode: int = 0
    size: int = 0
    """Bytes up to the end of the last whole line."""
    lines: int = 0


START = Mark()


@dataclass(frozen=True, slots=True)
class Growth:
    """What a reader found beyond its mark."""

    lines: Sequence[bytes]
    mark: Mark
    restarted: bool
    """The file is another one than before: `lines` is all of it."""


class FileGone(Exception):
    """The file was created once and is not there any more, or it was cut short."""


class AppendFile:
    """One such file. Raises OSError as the system does; callers say what it means."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._marker = path.with_name(f".{path.name}.created")
        self._lock = path.with_name(f".{path.name}.lock")

    def exists(self) -> bool:
        """Whether the file is there. Raises FileGone if it was and is not."""
        if self.path.exists():
            return True
        if self._marker.exists():
            raise FileGone
        return False

    def read(self, mark: Mark = START) -> Growth:
        """Return the whole lines beyond `mark`; none if the file was never created.

        Raises FileGone if the file has disappeared or has become shorter than it was.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            if mark != START or self._marker.exists():
                raise FileGone from None
            return Growth((), START, restarted=False)
        with file:
            seen = os.fstat(file.fileno())
            restarted = seen.st_ino != mark.inode
            if seen.st_size < mark.size:
                raise FileGone
            begin = START if restarted else mark
            file.seek(begin.size)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        reached = Mark(seen.st_ino, begin.size + len(whole), begin.lines + len(lines))
        return Growth(lines, reached, restarted)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the file's lock: what is read inside is still true when it is written."""
        make_private_folder(self.path.parent)
        with locked(self._lock):
            yield

    def append(self, lines: Sequence[str]) -> None:
        """Add lines and make them durable; the caller holds `exclusive`.

        If this raises, none of the lines counts: what was written of them is a torn tail, or is
        cut off again.
        """
        created = not self.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self.path, flags, PRIVATE_FILE), "r+b") as file:
            end = _end_of_lines(file.fileno())
            file.truncate(end)
            file.seek(end)
            try:
                file.write("".join(f"{line}\n" for line in lines).encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.raw.truncate(end)
                raise
        if created:
            sync_folder(self.path.parent)
        if not self._marker.exists():
            write_private(self._marker, b"")

    def replace(self, lines: Sequence[bytes]) -> None:
        """Rewrite the file in one step; the caller holds `exclusive`."""
        write_private(self.path, b"".join(line + b"\n" for line in lines))


def _end_of_lines(handle: int) -> int:
    """Return where the last whole line ends; what follows was torn by a crash."""
    end = os.fstat(handle).st_size
    while end > 0:
        begin = max(0, end - 65_536)
        found = os.pread(handle, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
