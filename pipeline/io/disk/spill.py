"""Folders for what a job cannot hold in memory: private, gone with the job, swept after a crash.

DuckDB writes rows there under names and modes of its own, and a killed process leaves them behind.
So each job gets a folder of its own that only this account may enter, with a lock beside it that
the system releases when the job dies; the next job removes every folder whose lock is free.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import PRIVATE_FILE, PRIVATE_FOLDER, make_private_folder

OLD_FILES = "duckdb_temp*"
"""What version 0.1 left directly in the folder when it was killed."""


@contextmanager
def spill_folder(root: Path | None) -> Iterator[Path | None]:
    """Yield a new private folder below `root`, removed at the end; None without a root.

    Leftovers of dead jobs are removed first. Raises EnvironmentProblem.
    """
    if root is None:
        yield None
        return
    with state_faults("The folder for spilled rows could not be used", str(root)):
        make_private_folder(root)
        root.chmod(PRIVATE_FOLDER)
        sweep(root)
        name = secrets.token_hex(6)
        folder, lock = root / name, root / f"{name}.lock"
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        fcntl.flock(handle, fcntl.LOCK_EX)
        folder.mkdir(mode=PRIVATE_FOLDER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(handle)


def sweep(root: Path) -> int:
    """Remove the folders of jobs that are gone; return how many. Living jobs are left alone."""
    removed = 0
    for path in root.glob(OLD_FILES):
        path.unlink(missing_ok=True)
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        lock = root / f"{folder.name}.lock"
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            handle = None  # its lock goes last, so its job has ended
        if handle is not None and not _is_free(handle):
            os.close(handle)
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)
        removed += 1
    return removed


def living_jobs(root: Path) -> frozenset[str]:
    """Name the folders below `root` whose jobs are alive. Nothing is changed."""
    alive = set()
    for lock in sorted(root.glob("*.lock")):
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not _is_free(handle):
            alive.add(lock.stem)
        os.close(handle)
    return frozenset(alive)


def _is_free(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
