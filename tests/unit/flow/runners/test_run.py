"""Where a graph runs: here, in worker processes, or elsewhere; words for Beam are checked first."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.flow.runners.run import run
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.summary import Tally
from tests.unit.flow.world import EVENT, MemorySource, event, world

SOURCE = MemorySource("lines", EVENT, tuple(event(number) for number in range(25)))


def test_a_run_in_this_process_reports_every_slice() -> None:
    told: list[Tally] = []
    summary = run(world(SOURCE).ports, RunOptions(on_commit=told.append))
    assert summary.tally.read == 25
    assert sum(tally.read for tally in told) == 25
    assert summary.exit_code == 0


def test_what_beam_cannot_do_is_refused_before_anything_is_opened() -> None:
    here = world(SOURCE)
    with pytest.raises(UsageError):
        run(here.ports, RunOptions(runner="FlinkRunner"))
    with pytest.raises(UsageError):
        run(here.ports, RunOptions(beam_options=("--flink_master=x",)))
    assert here.optout.asked == 0
