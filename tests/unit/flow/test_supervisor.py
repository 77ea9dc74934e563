"""A supervisor does not try for ever, and passes on what ended a worker."""

from __future__ import annotations

import os
import signal

import pytest

from pipeline.errors import TelemetryError
from pipeline.flow import supervisor
from pipeline.flow.options import RunOptions
from pipeline.flow.signals import Stop
from pipeline.flow.supervisor import MAX_FAILURES, supervise
from tests.unit.flow.world import world


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_with_settings_error() -> None:
    os._exit(3)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)


def test_a_worker_that_keeps_dying_ends_the_run() -> None:
    options = RunOptions(workers=2, prepare=be_killed)
    with pytest.raises(TelemetryError, match=r"keeps dying at worker .* signal 9") as caught:
        supervise(world().ports, options, Stop())
    assert f"started {MAX_FAILURES} times" in caught.value.remedy


def test_an_exit_code_that_would_come_again_ends_the_run_at_once() -> None:
    options = RunOptions(workers=2, prepare=end_with_settings_error)
    with pytest.raises(TelemetryError, match=r"died at worker .* ended with 3") as caught:
        supervise(world().ports, options, Stop())
    assert "started 1 times" in caught.value.remedy


def test_a_stop_before_the_start_starts_nothing() -> None:
    stop = Stop()
    stop.signal = signal.SIGTERM
    summary = supervise(world().ports, RunOptions(workers=2, prepare=be_killed), stop)
    assert (summary.tally.read, summary.stopped_by) == (0, signal.SIGTERM)
