"""Locks between processes on one machine: flock, which the system releases when a process dies."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
SHARED_FOLDER = 0o750
"""Analysts read the lake as members of its group."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; a rename is safe from a power cut only after this."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a closed file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter, with its parents; an existing one is left."""
    if not folder.is_dir():
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        for one in missing:
            # A folder above may be enterable but not readable; the system must keep the name.
            with suppress(PermissionError):
                sync_folder(one.parent)


def make_shared_folder(folder: Path) -> None:
    """Create a folder of the lake, with its parents, durable, closed to all but owner and group.

    Whatever the umask says; one that is stricter stays. Existing folders are left as they are.
    """
    for one in reversed([folder, *folder.parents]):
        if not one.is_dir():
            with suppress(FileExistsError):
                one.mkdir(mode=SHARED_FOLDER)
                # A folder above may be enterable but not readable; the system must keep the name.
                with suppress(PermissionError):
                    sync_folder(one.parent)


def close_to_others(folder: Path) -> None:
    """Withdraw the access that a library's new folder gives to all but owner and group."""
    folder.chmod(folder.stat().st_mode & SHARED_FOLDER)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` alone; wait for others. Works between threads as well."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder itself, which leaves no file; wait for others."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def new_writer_name() -> str:
    """Return a name that no other writer has: random, so it tells nothing about the machine."""
    return secrets.token_hex(6)


class WriterLock:
    """Shows to other processes, for as long as this process lives, that a writer is alive.

    The file `<folder>/<writer>.lock` names the lake, and appears with the lock already held, so
    nobody can mistake a starting writer for a dead one. It stays after a crash: that is how
    recovery knows whose uncommitted files to remove.
    """

    def __init__(self, folder: Path, lake: str) -> None:
        """Take a new writer name for `lake` and hold its lock."""
        make_private_folder(folder)
        self.writer = new_writer_name()
        self.process = os.getpid()
        self._path = folder / f"{self.writer}.lock"
        starting = folder / f".{self.writer}.starting"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._handle: int | None = os.open(starting, flags, PRIVATE_FILE)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, lake.encode())
        starting.rename(self._path)

    def close(self, *, leftovers: bool) -> None:
        """Release the lock; with `leftovers` its file stays for recovery to find."""
        if self._handle is not None and self.process == os.getpid():
            if not leftovers:
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None


@contextmanager
def dead_writers(folder: Path, lake: str) -> Iterator[frozenset[str]]:
    """Name the writers of `lake` whose processes are gone, and forget them if the block succeeds.

    Their locks are held inside the block, so two recoveries never work on the same writer.
    """
    taken: dict[Path, int] = {}
    try:
        for path in _locks_of(folder, lake):
            handle = _try_lock(path, fcntl.LOCK_EX)
            if handle is not None:
                taken[path] = handle
        yield frozenset(path.stem for path in taken)
        for path in taken:
            path.unlink(missing_ok=True)
    finally:
        for handle in taken.values():
            os.close(handle)


def live_writers(folder: Path, lake: str) -> frozenset[str]:
    """Name the writers of `lake` whose processes are alive."""
    alive = set()
    for path in _locks_of(folder, lake):
        handle = _try_lock(path, fcntl.LOCK_SH)
        if handle is None:
            alive.add(path.stem)
        else:
            os.close(handle)
    return frozenset(alive)


def _locks_of(folder: Path, lake: str) -> list[Path]:
    found = []
    for path in sorted(folder.glob("*.lock")):
        with suppress(FileNotFoundError):
            if path.read_text() == lake:
                found.append(path)
    return found


def _try_lock(path: Path, kind: int) -> int | None:
    """Return an open, locked handle, or None if a living process holds the lock."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
