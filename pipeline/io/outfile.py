"""Writes a file so that it is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.faults import environment_problem


def write_file(path: Path, blocks: Iterable[bytes]) -> int:
    """Write the blocks to `path`, replacing what was there; return the number of bytes.

    The bytes go to a hidden neighbour that is renamed at the end, so a reader of the folder
    never sees a part, and a failure leaves the old file as it was. Raises EnvironmentProblem.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            for block in blocks:
                written += file.write(block)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise environment_problem(error, "the file cannot be written", str(path)) or (
            EnvironmentProblem("the file cannot be written", where=str(path))
        ) from None
    finally:
        partial.unlink(missing_ok=True)
    return written
