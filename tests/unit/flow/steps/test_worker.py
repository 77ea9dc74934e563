"""One worker a process and run: it opens late, keeps the first failure, and lets go at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker

from pipeline.errors import KeyUnavailable, LakeError, OptOutStale
from pipeline.flow.ports import Seat
from pipeline.flow.steps.read import Read
from pipeline.flow.steps.restriction import Turns, TurnsTracker
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.io.source import Shard
from tests.unit.flow.steps.test_sessions import take_elsewhere
from tests.unit.flow.world import EVENT, MemorySource, World, event, world

SOURCE = MemorySource("one", EVENT, (event(1),))


def here(**changes: object) -> World:
    return world(SOURCE, **changes)


def test_all_stages_of_a_run_find_the_same_worker_until_it_is_dismissed() -> None:
    ports = here().ports
    worker = worker_of(ports)
    assert worker_of(replace(ports)) is worker
    dismiss(worker)
    assert worker_of(ports) is not worker
    dismiss(worker_of(ports))


def test_nothing_is_opened_while_the_opt_out_list_is_not_known() -> None:
    opened: list[str] = []

    def lake() -> None:
        opened.append("lake")

    one = here(lake=lake)
    one.optout.fail_after = 0
    worker = worker_of(one.ports)
    with pytest.raises(OptOutStale):
        worker.standing()
    assert opened == []
    dismiss(worker)


def test_what_is_opened_is_opened_once_and_closed_at_the_end() -> None:
    one = here()
    worker = worker_of(one.ports)
    assert worker.open() is worker.open()
    dismiss(worker)
    assert one.lake.closed == 1


def test_a_worker_that_opened_nothing_closes_nothing() -> None:
    one = here()
    dismiss(worker_of(one.ports))
    assert one.lake.closed == 0


def test_in_a_process_of_ours_the_first_failure_is_kept_and_the_run_stops() -> None:
    worker = worker_of(here().ports)
    first = LakeError("the lake is away")

    def fail(error: Exception) -> None:
        raise error

    assert worker.attempt("Write", None, lambda: fail(first)) == ()
    assert worker.attempt("Write", None, lambda: fail(KeyUnavailable("no key"))) == ()
    assert worker.failure is first
    assert worker.stopping
    dismiss(worker)


def test_the_time_of_a_stop_is_that_of_the_first() -> None:
    worker = worker_of(here().ports)
    worker.stop()
    first = worker.stopped_at
    worker.stop()
    assert worker.stopped_at == first > 0
    dismiss(worker)


def test_a_failure_on_another_runner_gives_the_turn() -> None:
    one = here(seat=Seat(None, 1))
    worker = worker_of(one.ports)
    tracker = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    read = Read(one.ports)
    read.setup()
    under_way = read.process(Shard("one", 0, 1), RestrictionTrackerView(tracker))
    next(under_way)
    with pytest.raises(LakeError):
        worker.fail(LakeError("the lake is away"))
    _, has_it = take_elsewhere(worker.turn)
    assert has_it.wait(5), "the frames of a failed bundle would hold the turn for ever"
    dismiss(worker)
