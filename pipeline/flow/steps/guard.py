"""The guard around every stage: what a failure may reveal, and which messages it costs.

Library exceptions quote the value that they could not handle, and Beam logs exceptions. So an
exception that is not ours ends here: only its class is reported, with coordinates. Where a
pure stage fails because of single messages, these are found by halving the batch and rejected
as `internal`, and the others go on. Where it fails on whatever it is given, the run stops.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from pipeline.errors import TelemetryError
from pipeline.events.model import Offsets, Span, Stage

LOG = logging.getLogger(__name__)

PROBES = 16
"""If this many messages, taken from all over a batch, fail alone, no message is to blame."""

T = TypeVar("T")


def guarded(step: str, span: Span | None, call: Callable[[], T]) -> T:
    """Return what `call` returns; raise what is not ours as a `TelemetryError` without content."""
    result, failure = _attempt(call)
    if failure is not None:
        raise defect(step, span, failure)
    return result[0]


def find_culprits(
    stage: Stage, span: Span, count: int, call: Callable[[Offsets | None], T]
) -> tuple[T, Offsets]:
    """Run a pure stage on a batch of `count` messages, if need be without those that it fails on.

    `call(None)` runs it on the whole batch, `call(indices)` on some of its messages. Returns the
    result and the indices (ascending) of the messages that were left out.
    """
    result, failure = _attempt(lambda: call(None))
    if failure is None:
        return result[0], np.empty(0, np.int64)
    if _is_ours(call, count):
        raise defect(stage.value, span, failure)
    culprits = _halve(call, np.arange(count))
    LOG.error(
        "%s failed on %d of %d messages of %s [%d, %d): %s",
        stage.value,
        len(culprits),
        count,
        span.app_id,
        span.start,
        span.stop,
        failure,
    )
    kept = np.delete(np.arange(count), culprits)
    return guarded(stage.value, span, lambda: call(kept)), culprits


def defect(step: str, span: Span | None, kind: str) -> TelemetryError:
    """Return what to raise for an exception that is not ours, of class `kind`."""
    where = "" if span is None else f"{span.app_id} [{span.start}, {span.stop})"
    return TelemetryError(
        f"{step} failed",
        where=where,
        why=f"of an unexpected {kind}",
        remedy="The log of the lake says what is stored: run again to go on from there. "
        "Please report this line.",
    )


def _is_ours(call: Callable[[Offsets | None], T], count: int) -> bool:
    """Return whether a stage fails on anything: nothing to halve, or every probe fails."""
    if count < PROBES:
        return count == 0
    probes = np.linspace(0, count - 1, PROBES).astype(np.int64)
    return all(_fails(call, np.array([index])) for index in probes)


def _halve(call: Callable[[Offsets | None], T], indices: Offsets) -> Offsets:
    if not _fails(call, indices):
        return np.empty(0, np.int64)
    if len(indices) == 1:
        return indices
    middle = len(indices) // 2
    return np.concatenate([_halve(call, indices[:middle]), _halve(call, indices[middle:])])


def _fails(call: Callable[[Offsets | None], T], indices: Offsets) -> bool:
    return _attempt(lambda: call(indices))[1] is not None


def _attempt(call: Callable[[], T]) -> tuple[tuple[T, ...], str | None]:
    """Return the result, or the class name of what went wrong: the exception itself ends here."""
    try:
        return (call(),), None
    except TelemetryError:
        raise
    except MemoryError:
        pass
    except Exception as error:
        kind = type(error).__name__
        LOG.debug("%s, passing %s", kind, _places(error))
        return (), kind
    raise TelemetryError("out of memory for a slice", remedy="Lower flush.bytes, or add memory.")


def _places(error: BaseException) -> str:
    """Where an exception came from: places in code hold no values."""
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
