"""How a graph is run: what `telemetry run` decides beside what it reads, knows and writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.flow.summary import Tally

EMBEDDED = "FnApiRunner"
"""Runs in this process. `DirectRunner` would first try to download another one."""


def _nothing() -> None:
    """Prepare nothing."""


def _nobody(_tally: Tally) -> None:
    """Ignore the counts."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Worker processes get `prepare`, which is picklable.

    Reading to the end and stopping (`--once`) is `Ports.pace.to_end`.
    """

    workers: int = 1
    """Processes of this machine, with the embedded runner; parallelism, with another one."""
    runner: str = EMBEDDED
    beam_options: tuple[str, ...] = ()
    """Options for Beam itself, as after `--` on the command line."""
    prepare: Callable[[], None] = _nothing
    """Called first in every worker process: sets up logging the way this process has it."""
    on_commit: Callable[[Tally], None] = _nobody
    """Called in this process after each committed slice, to show how far the run is."""
    on_stop: Callable[[], None] = _nothing
    """Called in this process, in a signal handler, when somebody asks the run to stop."""
