"""A run on another runner, as far as it can be seen without one: its account, its failures."""

from __future__ import annotations

import logging
import signal
import threading

import pytest

from pipeline.errors import (
    EnvironmentProblem,
    KeyUnavailable,
    OptOutStale,
    PositionGap,
    TelemetryError,
    UsageError,
)
from pipeline.flow.runners import remote
from pipeline.flow.runners.beam_options import (
    DATAFLOW,
    FLINK,
    PRISM,
    check_known,
    words_for,
)
from pipeline.flow.runners.log_account import LogAccount
from pipeline.flow.runners.remote import (
    _is_news,
    _wait,
    beams_options,
    what_happened,
)
from pipeline.flow.runners.run import run
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.runners.signals import Stop
from pipeline.flow.summary import Tally
from tests.unit.flow.world import EVENT, MemoryCommit, MemorySource, world

TRACE = """java.util.concurrent.ExecutionException: java.lang.RuntimeException: Error received from
SDK harness for instruction 7: Traceback (most recent call last):
  File "x.py", line 1, in process
pipeline.errors.{name}: {what} [while running 'Read/ParDo(Read)-ptransform-12']
  at org.apache.beam.runners...
"""


@pytest.mark.parametrize("kind", [KeyUnavailable, OptOutStale, PositionGap, EnvironmentProblem])
def test_an_error_of_a_worker_keeps_its_class_and_exit_code(kind: type[TelemetryError]) -> None:
    found = what_happened(TRACE.format(name=kind.__name__, what="a thing is off"), "FlinkRunner")
    assert type(found) is kind
    assert str(found) == ("a worker stopped the job on FlinkRunner because it said: a thing is off")


@pytest.mark.parametrize("name", ["Nothing", "annotations", "__doc__"])
def test_a_name_that_is_no_error_of_ours_is_only_a_failed_job(name: str) -> None:
    found = what_happened(TRACE.format(name=name, what="secret"), "FlinkRunner")
    assert type(found) is EnvironmentProblem
    assert "secret" not in str(found)


def test_an_exception_that_is_not_ours_is_not_repeated() -> None:
    found = what_happened("ValueError: acct_1@example.com", "FlinkRunner")
    assert "acct_1" not in str(found)


def test_the_account_is_what_the_commits_of_the_run_say() -> None:
    here = world(MemorySource("logs", EVENT, ()))
    ports = here.ports

    def commit(run: str, read: int) -> MemoryCommit:
        counts = {"read": read, "written": read - 3, "rejected": {"malformed": 1}}
        return MemoryCommit({"run": run, **counts, "dropped": {"opt_out": 2}, "files": 2})

    table = ports.lake().events(EVENT, ports.schemas()[EVENT][-1].stored)
    table.commits = (  # type: ignore[attr-defined]
        commit(ports.run_id, 10),
        commit("another run", 100),
        MemoryCommit({}),
        commit(ports.run_id, 5),
    )
    assert LogAccount(ports).read() == Tally(15, 9, {"malformed": 2}, {"opt_out": 4}, 4)


def test_an_account_that_is_read_several_times_counts_each_commit_once() -> None:
    ports = world(MemorySource("logs", EVENT, ())).ports
    counts = {"read": 5, "written": 5, "rejected": {}, "dropped": {}, "files": 1}
    table = ports.lake().events(EVENT, ports.schemas()[EVENT][-1].stored)
    table.commits = (MemoryCommit({"run": ports.run_id, **counts}),)  # type: ignore[attr-defined]
    account = LogAccount(ports)
    account.begin()
    table.commits *= 3  # type: ignore[attr-defined]
    assert account.read() == account.read() == Tally(10, 10, {}, {}, 2)


def test_words_that_cannot_work_are_refused_before_anything_is_opened() -> None:
    ports = world(MemorySource("logs", EVENT, ())).ports
    with pytest.raises(UsageError):
        run(ports, RunOptions(runner="FlinkRunner"))


def test_beam_does_not_warn_of_words_of_ours() -> None:
    def told(word: str) -> logging.LogRecord:
        text = f"Unparseable argument: {word}"
        return logging.LogRecord("beam", logging.WARNING, "", 0, text, (), None)

    assert _is_news(told("--paralelism=2"))
    assert not _is_news(told("--max_bundle_time_mills=200"))


class Endless:
    """A job that Beam never sees the end of, unless it lets Beam cancel it."""

    def __init__(self, *, obeys: bool) -> None:
        self.ended = threading.Event()
        self.obeys = obeys

    def wait_until_finish(self) -> str:
        self.ended.wait(10)
        return "CANCELLED"

    def cancel(self) -> None:
        if self.obeys:
            self.ended.set()


def stopped() -> Stop:
    stop = Stop()
    stop.signal = signal.SIGTERM
    return stop


def test_a_signal_cancels_through_beam_where_flink_has_no_address() -> None:
    job = Endless(obeys=True)
    _wait(job, "PrismRunner", stopped(), None)  # type: ignore[arg-type]
    assert job.ended.is_set()


def test_a_job_that_flink_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(remote, "cancel_jobs", lambda *where: asked.append(where))
    job = Endless(obeys=False)
    _wait(job, "FlinkRunner", stopped(), ("flink:8081", "telemetry"))  # type: ignore[arg-type]
    assert asked == [("flink:8081", "telemetry")]
    job.ended.set()


def test_an_old_job_on_flink_is_submitted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "RENEW_SECONDS", 0.01)
    job = Endless(obeys=True)
    assert not _wait(job, "FlinkRunner", Stop(), ("flink:8081", "telemetry"))  # type: ignore[arg-type]
    job.cancel()


def test_a_job_that_ends_without_a_signal_is_a_failure() -> None:
    job = Endless(obeys=True)
    job.cancel()
    with pytest.raises(TelemetryError, match="someone cancelled the job"):
        _wait(job, "FlinkRunner", Stop(), None)  # type: ignore[arg-type]


def test_all_words_that_we_say_ourselves_are_known() -> None:
    """A word of ours that Beam has renamed would be refused as misspelt, or ignored."""
    pool = ["--environment_type=EXTERNAL", "--environment_config=h:1", "--flink_master=h:2"]
    cloud = ["--project=p", "--region=r", "--temp_location=gs://b", "--sdk_container_image=i"]
    known = beams_options()
    assert {"flink_master", "environment_type", "project", "job_endpoint"} <= known
    for runner, given in ((FLINK, pool), (DATAFLOW, cloud), (PRISM, [])):
        check_known(words_for(runner, 2, given, to_end=True), known)
