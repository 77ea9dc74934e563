"""A supervisor does not try for ever, and passes on what ended a worker."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from functools import partial

import pytest

from pipeline.errors import (
    EnvironmentProblem,
    KeyUnavailable,
    TelemetryError,
    TopicReplaced,
)
from pipeline.flow.runners import supervisor
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.runners.signals import Stop
from pipeline.flow.runners.supervisor import MAX_FAILURES, supervise
from pipeline.flow.runners.worker_pipe import End, send_end
from tests.unit.flow.world import world


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


LAST_WORDS: dict[str, TelemetryError] = {
    kind.__name__: kind("it contradicts", where="here", remedy="Repair it.")
    for kind in (EnvironmentProblem, KeyUnavailable, TopicReplaced)
}


def end_with(name: str) -> None:
    """End as a worker does: with an error told through the pipe that standard output was."""
    (up,) = (handle for handle in range(3, 64) if _is_pipe_to_supervisor(handle))
    send_end(up, End(error=LAST_WORDS[name]))
    os._exit(LAST_WORDS[name].exit_code)


def _is_pipe_to_supervisor(handle: int) -> bool:
    try:
        writes = fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY
        return writes and stat.S_ISFIFO(os.fstat(handle).st_mode)
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.01)


def test_a_worker_that_keeps_dying_ends_the_run() -> None:
    options = RunOptions(workers=2, prepare=be_killed)
    with pytest.raises(TelemetryError, match=r"keeps dying at worker .* signal 9") as caught:
        supervise(world().ports, options, Stop())
    assert f"started {MAX_FAILURES} times" in caught.value.remedy


@pytest.mark.parametrize("name", ["EnvironmentProblem", "KeyUnavailable", "TopicReplaced"])
def test_an_error_that_no_restart_cures_ends_the_run_with_its_own_words(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    options = RunOptions(workers=2, prepare=partial(end_with, name))
    with pytest.raises(type(LAST_WORDS[name])) as caught:
        supervise(world().ports, options, Stop())
    assert str(caught.value) == str(LAST_WORDS[name])
    assert caught.value.exit_code == LAST_WORDS[name].exit_code
    assert "is restarted" not in caplog.text


def test_what_can_be_cured_by_a_restart_is_declared_once_and_inherited() -> None:
    final = {kind.__name__ for kind in every_error() if not kind.cures_by_restart}
    assert final == FINAL


FINAL = {
    "UsageError",
    "SettingsError",
    "SchemaError",
    "EnvironmentProblem",
    "ClockBehind",
    "TableGone",
    "RegistryUnreachable",
    "NothingAccepted",
    "PrivacyGateClosed",
    "OptOutStale",
    "OptOutPaused",
    "KeyUnavailable",
    "WrongInstallation",
    "SourceError",
    "PositionGap",
    "TopicReplaced",
    "DamagedBatch",
    "PositionForgotten",
}


def every_error(kind: type[TelemetryError] = TelemetryError) -> set[type[TelemetryError]]:
    ours = {kind} if kind.__module__ == "pipeline.errors" else set()
    return ours.union(*(every_error(child) for child in kind.__subclasses__()))


def test_a_stop_before_the_start_starts_nothing() -> None:
    stop = Stop()
    stop.signal = signal.SIGTERM
    summary = supervise(world().ports, RunOptions(workers=2, prepare=be_killed), stop)
    assert (summary.tally.read, summary.stopped_by) == (0, signal.SIGTERM)
