"""Private files: written whole or not at all, refused when others could read or change them."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from pipeline.errors import KeyUnavailable
from pipeline.io.disk.atomic import replacing
from pipeline.io.disk.locks import PRIVATE_FILE, sync_folder

Signature = tuple[int, int, int, int]
"""Inode, size, modification time and mode of a file: changes when the file is replaced."""


def check_private_folder(folder: Path) -> None:
    """Raise KeyUnavailable unless `folder` is a real folder that only we can enter."""
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise _unprotected(folder, "it is a link or a file, not a folder", "Name the real folder.")
    _check_owner_and_mode(folder, seen, f"Run: chmod 700 {folder}")


def signature(path: Path) -> Signature:
    """Return a private file's signature after checking that it still is one.

    Raises KeyUnavailable if it is a link, belongs to somebody else or is open to others, and
    FileNotFoundError if it is missing.
    """
    return _check_file(path, path.lstat())


def read_private(path: Path) -> tuple[bytes, Signature]:
    """Return a private file's content and signature. Raises as `signature` does."""
    signature(path)
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(), _check_file(path, os.fstat(handle))


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, durable when this returns; replaces what was there."""
    with replacing(path, secrets.token_hex(4), PRIVATE_FILE) as file:
        file.write(content)


def erase_private(path: Path) -> None:
    """Overwrite a file once, then remove it; a missing one is fine.

    Overwriting helps on simple disks only; on others the disk's own encryption has to.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(bytes(os.fstat(handle).st_size))
        file.flush()
        os.fsync(handle)
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def _check_file(path: Path, seen: os.stat_result) -> Signature:
    if not stat.S_ISREG(seen.st_mode):
        raise _unprotected(path, "it is a link or a folder, not a file", "Put the real file there.")
    _check_owner_and_mode(path, seen, f"Run: chmod 600 {path}")
    return seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_mode


def _check_owner_and_mode(path: Path, seen: os.stat_result, remedy: str) -> None:
    if seen.st_uid != os.geteuid():
        raise _unprotected(path, "it belongs to another account", "Run as its owner, or chown it.")
    if stat.S_IMODE(seen.st_mode) & 0o077:
        raise _unprotected(path, "other accounts can read or change it", remedy)


def _unprotected(path: Path, why: str, remedy: str) -> KeyUnavailable:
    return KeyUnavailable("A key is not protected", where=str(path), why=why, remedy=remedy)
