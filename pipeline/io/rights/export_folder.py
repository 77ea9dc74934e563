"""A folder for one person's data: there whole or not at all, and readable by its owner alone."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO

from pipeline.errors import UsageError
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import PRIVATE_FILE, PRIVATE_FOLDER, make_private_folder, sync_folder


class ExportFolder:
    """Collects files under a hidden name; `export_folder` gives them their final one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def open(self, name: str) -> Iterator[TextIO]:
        """Write one new file, mode 0600, durable at the end of the block."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(self._path / name, flags, PRIVATE_FILE)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


def check_target(path: Path) -> None:
    """Raise UsageError or EnvironmentProblem if no export can be written to the folder `path`.

    Asked before a request is queued: one that can never be carried out would wait forever.
    """
    if path.is_symlink() or path.exists():
        raise UsageError(
            "An export is written to a new folder only",
            where="--out",
            remedy="Name a folder that does not exist: another person's data may be in this one.",
        )
    with state_faults("The export cannot be written", str(path)):
        above = next(one for one in path.absolute().parents if one.exists())
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable")


@contextmanager
def export_folder(path: Path) -> Iterator[ExportFolder]:
    """Make the folder `path`, mode 0700; a failure inside leaves nothing behind.

    Raises UsageError if there is something at `path`, EnvironmentProblem if it cannot be written.
    """
    check_target(path)
    hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with state_faults("The export could not be written", str(path)):
        make_private_folder(path.parent)  # `mkdir` would make parents with the umask's mode
        hidden.mkdir(mode=PRIVATE_FOLDER)
        try:
            yield ExportFolder(hidden)
            sync_folder(hidden)
            hidden.rename(path)
            sync_folder(path.parent)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def remove_exports(folder: Path, older_than: timedelta, now: datetime) -> int:
    """Remove the exports in `folder` that were made too long ago; return how many."""
    if not folder.is_dir():
        return 0
    removed = 0
    limit = (now - older_than).timestamp()
    with state_faults("Old exports could not be removed", str(folder)):
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.is_symlink() and path.stat().st_mtime < limit:
                shutil.rmtree(path)
                removed += 1
    return removed


def remove_export(path: Path) -> None:
    """Remove one export, if it is there."""
    with state_faults("The export could not be removed", str(path)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
