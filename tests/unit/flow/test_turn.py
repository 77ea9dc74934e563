"""One turn at a time in a process, whatever threads a runner uses, and no turn that never ends."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest
from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker

from pipeline.errors import LakeError
from pipeline.events.model import Slice
from pipeline.flow.ports import Seat
from pipeline.flow.read import Read
from pipeline.flow.sessions import Turn
from pipeline.flow.tracker import Turns, TurnsTracker
from pipeline.flow.worker import dismiss, worker_of
from pipeline.io.source import Shard
from tests.unit.flow.world import EVENT, MemorySource, event, world


def take_elsewhere(turn: Turn) -> tuple[threading.Thread, threading.Event]:
    """Ask for the turn in another thread; the event is set when it has it."""
    has_it = threading.Event()

    def work() -> None:
        turn.take(work)
        has_it.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, has_it


def test_a_second_thread_waits_until_the_turn_is_given() -> None:
    turn, mine = Turn(), object()
    turn.take(mine)
    _, has_it = take_elsewhere(turn)
    assert not has_it.wait(0.05)
    assert turn.wanted
    turn.give(mine)
    assert has_it.wait(5)
    assert not turn.wanted


def test_giving_a_turn_that_has_ended_takes_nobody_elses() -> None:
    turn, mine = Turn(), object()
    turn.take(mine)
    turn.give(mine)
    _, has_it = take_elsewhere(turn)
    assert has_it.wait(5)
    turn.give(mine)
    turn.give()  # this thread has none
    _, third = take_elsewhere(turn)
    assert not third.wait(0.05)


def test_a_thread_that_fails_gives_its_turn_without_knowing_the_holder() -> None:
    turn = Turn()
    turn.take(object())
    turn.give()
    _, has_it = take_elsewhere(turn)
    assert has_it.wait(5)


def test_a_shard_waits_while_another_one_has_a_slice_under_way() -> None:
    lines = tuple(event(number) for number in range(40))
    here = world(MemorySource("one", EVENT, lines), MemorySource("two", EVENT, lines))
    worker = worker_of(here.ports)
    read = Read(here.ports)
    read.setup()
    first = slices(read, "one")
    taken = next(first)
    cut = threading.Event()

    def other() -> None:
        second = slices(read, "two")
        next(second)
        cut.set()
        second.close()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert not cut.wait(0.1)
    worker.passages[taken.span].landed = True
    # The other one waits, so this turn ends after its slice instead of taking all of them.
    assert list(first) == []
    assert cut.wait(5)
    thread.join(5)
    dismiss(worker)


def test_a_failure_on_another_runner_gives_the_turn() -> None:
    lines = (event(1),)
    here = world(MemorySource("one", EVENT, lines), seat=Seat(None, 1))
    worker = worker_of(here.ports)
    read = Read(here.ports)
    read.setup()
    under_way = slices(read, "one")
    next(under_way)
    with pytest.raises(LakeError):
        worker.fail(LakeError("the lake is away"))
    _, has_it = take_elsewhere(worker.turn)
    assert has_it.wait(5), "the frames of a failed bundle would hold the turn for ever"
    dismiss(worker)


def slices(read: Read, source: str) -> Generator[Slice]:
    tracker = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    made = read.process(Shard(source, 0, 1), RestrictionTrackerView(tracker))
    assert isinstance(made, Generator)
    return made
