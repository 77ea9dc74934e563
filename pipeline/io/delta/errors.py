"""Failures of the lake's storage, in our own words: the machine's fault, or the lake's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pipeline.errors import LakeError, TelemetryError
from pipeline.io.disk.errors import environment_problem

STORAGE_FAULTS = (OSError, DeltaError, pa.ArrowException)
"""What the storage libraries raise when a disk, a network or a file is not as needed."""


def lake_problem(error: BaseException, what: str, where: str) -> TelemetryError:
    """Return what to raise for a failure of the lake's storage: the machine's fault, or the lake's.

    The text of `error` is not part of it.
    """
    return environment_problem(error, what, where) or LakeError(
        what,
        where=where,
        why=f"the storage answered {type(error).__name__}",
        remedy="Nothing half-written is visible. Check the storage; then run again: the log says "
        "what is stored.",
    )


@contextmanager
def lake_faults(what: str, where: str) -> Iterator[None]:
    """Raise failures of the lake's storage as errors of ours."""
    try:
        yield
    except STORAGE_FAULTS as error:
        raise lake_problem(error, what, where) from None


def changed_meanwhile(error: DeltaError) -> bool:
    """Tell whether others changed a log while it was read, as far as delta-rs says so.

    It has no class for an object that is gone by the time it is read, nor for a listing that
    missed an entry among those that others were writing.
    """
    return any(words in str(error) for words in ("not found", "found gap"))
