"""Writes a file so that it is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import sync_folder

SHARED_FILE = 0o666
"""The mode of a file for which the umask decides who may read it."""


@contextmanager
def replacing(path: Path, mark: str, mode: int) -> Iterator[BinaryIO]:
    """Open a hidden neighbour of `path` that takes its place when the block succeeds.

    A reader of the folder never sees a part, and a failure leaves the old file as it was. What was
    written is durable afterwards. `mark` tells writers apart. Raises OSError.
    """
    waiting = path.with_name(f".{path.name}.{mark}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(waiting, flags, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)
    except BaseException:
        # A failure to clean up must not hide why there is something to clean up.
        with suppress(OSError):
            waiting.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_file(path: Path, blocks: Iterable[bytes]) -> int:
    """Write the blocks to `path`, replacing what was there; return the number of bytes.

    A device or pipe is written to, never replaced. Raises EnvironmentProblem.
    """
    with state_faults("the file cannot be written", str(path)):
        if path.exists() and not path.is_file():
            return _write_through(path, blocks)
        path.parent.mkdir(parents=True, exist_ok=True)
        mark = str(os.getpid())
        # A process with the same id may have been killed while it wrote.
        path.with_name(f".{path.name}.{mark}.tmp").unlink(missing_ok=True)
        with replacing(path, mark, SHARED_FILE) as file:
            return sum(file.write(block) for block in blocks)


def _write_through(path: Path, blocks: Iterable[bytes]) -> int:
    """Write to what is there: `/dev/stdout`, a named pipe, a device."""
    with path.open("wb") as stream:
        return sum(stream.write(block) for block in blocks)
