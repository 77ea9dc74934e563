"""The whole graph on Beam's embedded runner, with a lake in memory."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, KeyUnavailable, LakeError, OptOutStale
from pipeline.events.model import CleanBatch, Reason, Slice, Stage
from pipeline.flow.ports import Ports, Seat
from pipeline.flow.runners import embedded
from pipeline.flow.runners.signals import stop_on_signals
from pipeline.flow.steps import sessions
from pipeline.flow.summary import Summary
from pipeline.io.source import Pace
from tests.unit.flow import world as flow_world
from tests.unit.flow.world import (
    EVENT,
    MemoryReader,
    MemorySource,
    World,
    event,
    expiring_once,
    failing,
    world,
)

LINES = tuple(event(number) for number in range(95))
SOURCE = MemorySource("requests", EVENT, LINES)


def run_here(ports: Ports) -> Summary:
    with stop_on_signals() as stop:
        return embedded.run_here(ports, stop)


def stored(here: World, name: str = EVENT) -> list[int]:
    """Start of every stored slice, in order."""
    return [batch.span.start for batch in here.lake.tables[name].batches]


def test_every_message_is_stored_once_and_counted() -> None:
    here = world(SOURCE)
    summary = run_here(here.ports)
    assert (summary.tally.read, summary.tally.written, summary.tally.files) == (95, 95, 10)
    assert stored(here) == list(range(0, 95, 10))
    assert summary.exit_code == 0
    assert here.lake.closed == 1


def test_a_second_run_finds_nothing_to_do() -> None:
    here = world(SOURCE)
    run_here(here.ports)
    again = run_here(here.ports)
    assert again.tally.read == 0
    assert here.lake.tables[EVENT].rows == 95


def test_refused_and_dropped_messages_are_accounted_for() -> None:
    lines = (event(1), b"nonsense", event(2, gpc="1"), event(3, occurred_at="2020-01-01T00:00:00Z"))
    here = world(MemorySource("requests", EVENT, lines))
    tally = run_here(here.ports).tally
    assert tally.as_dict() == {
        "read": 4,
        "written": 1,
        "rejected": {"not_json": 1, "too_old": 1},
        "dropped": {"signal": 1},
        "nulled": {},
        "files": 1,
    }
    assert here.lake.refused.reasons == {
        ("memory/requests/0", 1): (Stage.DECODE, Reason.NOT_JSON),
        ("memory/requests/0", 3): (Stage.ANONYMIZE, Reason.TOO_OLD),
    }


def test_several_sources_run_in_one_process() -> None:
    errors = tuple(
        event(n, event="error_log", component="api", severity="error") for n in range(30)
    )
    here = world(SOURCE, MemorySource("errors", "error_log", errors, size=7))
    assert run_here(here.ports).tally.read == 125
    assert here.lake.tables[EVENT].rows == 95
    assert here.lake.tables["error_log"].rows == 30


def test_a_conflict_is_read_again_from_where_the_lake_stands() -> None:
    here = world(SOURCE)
    table = here.lake.events(EVENT, None)
    moved: list[int] = []

    def somebody_else_was_faster(batch: CleanBatch) -> None:
        if batch.span.start == 20 and not moved:
            moved.append(1)
            table.position_of[batch.span.app_id] = 33

    table.before_commit = somebody_else_was_faster
    summary = run_here(here.ports)
    assert summary.conflicts == 1
    assert summary.tally.read == 95 - 13
    assert stored(here) == [0, 10, *range(33, 95, 10)]


def test_an_expired_slice_is_read_again() -> None:
    here = world(SOURCE)
    here.lake.events(EVENT, None).before_commit = expiring_once()
    summary = run_here(here.ports)
    assert (summary.conflicts, summary.tally.read) == (1, 95)


def test_rejections_of_a_slice_that_is_read_again_are_recorded_once() -> None:
    here = world(MemorySource("requests", EVENT, (b"nonsense", *LINES)))
    here.lake.events(EVENT, None).before_commit = expiring_once()
    summary = run_here(here.ports)
    assert (summary.conflicts, summary.tally.read) == (1, 96)
    assert list(here.lake.refused.reasons) == [("memory/requests/0", 0)]
    assert here.lake.tables[EVENT].rows == 95


def test_a_failure_of_the_lake_ends_the_run_and_is_raised() -> None:
    here = world(SOURCE)
    problem = EnvironmentProblem("the disk is full", remedy="Free some space.")
    here.lake.events(EVENT, None).before_commit = failing(problem)
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        run_here(here.ports)
    assert here.lake.tables[EVENT].rows == 0
    assert here.lake.closed == 1


def test_a_stale_opt_out_list_stops_reading() -> None:
    here = world(SOURCE)
    here.optout.fail_after = 7
    with pytest.raises(OptOutStale):
        run_here(here.ports)
    assert 0 < here.lake.tables[EVENT].rows < 95


def test_nothing_is_read_before_the_opt_out_list_is_known() -> None:
    here = world(SOURCE)
    here.optout.fail_after = 0
    with pytest.raises(OptOutStale):
        run_here(here.ports)
    assert here.lake.tables == {}


def test_a_missing_key_is_raised() -> None:
    def no_keys() -> None:
        raise KeyUnavailable("a key is missing", remedy="Restore it.")

    here = world(SOURCE, keys=no_keys)
    with pytest.raises(KeyUnavailable, match="missing"):
        run_here(here.ports)


def test_an_exception_that_is_not_ours_tells_its_class_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = world(SOURCE)

    def break_down(batch: CleanBatch) -> None:
        raise RuntimeError("acct_7 and all its secrets")

    here.lake.events(EVENT, None).before_commit = break_down
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match="RuntimeError") as caught:
        run_here(here.ports)
    assert "acct_7" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "acct_7" not in caplog.text


def test_on_another_runner_a_failure_goes_through_beam_without_content() -> None:
    here = world(SOURCE, seat=Seat(None, 1))

    def break_down(batch: CleanBatch) -> None:
        raise RuntimeError("acct_7 and all its secrets")

    here.lake.events(EVENT, None).before_commit = break_down
    with pytest.raises(Exception, match="Write failed at memory/requests/0") as caught:
        run_here(here.ports)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "acct_7" not in str(seen)
        seen = seen.__cause__ or seen.__context__


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_flushes_commits_and_ends(number: int, code: int) -> None:
    here = world(SOURCE, pace=Pace())
    table = here.lake.events(EVENT, None)

    def stop_when_half_is_there() -> None:
        while table.rows < 50:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    table.before_commit = lambda batch: time.sleep(0.02)
    helper = threading.Thread(target=stop_when_half_is_there)
    helper.start()
    summary = run_here(here.ports)
    helper.join()
    assert summary.exit_code == code
    assert summary.tally.read == table.rows == 95


def test_without_a_signal_a_run_goes_on_when_there_is_nothing_to_read() -> None:
    here = world(SOURCE, pace=Pace())
    timer = threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    began = time.monotonic()
    assert run_here(here.ports).tally.read == 95
    assert time.monotonic() - began > 1.0


def test_processes_take_their_own_shards() -> None:
    here = world(SOURCE)
    other = replace(here.ports, seat=Seat(1, 2))
    assert run_here(other).tally.read == 0
    assert run_here(replace(here.ports, seat=Seat(0, 2))).tally.read == 95


def test_a_lake_that_does_not_open_ends_the_run() -> None:
    def no_lake() -> None:
        raise LakeError("the lake's log could not be read")

    with pytest.raises(LakeError):
        run_here(world(SOURCE, lake=no_lake).ports)


@pytest.mark.slow
def test_memory_does_not_grow_with_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle source takes three turns a second: 1,500 are eight minutes."""
    monkeypatch.setattr(sessions, "IDLE_WAIT_SECONDS", 0.0)
    here = world(SOURCE, pace=Pace())
    sizes: list[int] = []

    class Counting(MemoryReader):
        def poll(self, wait: float) -> Slice | None:
            sizes.append(resident_kib())
            if len(sizes) == 1_500:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().poll(wait)

    monkeypatch.setattr(flow_world, "MemoryReader", Counting)
    run_here(here.ports)
    assert sizes[-1] - sizes[500] < 12 * 1024


def resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
