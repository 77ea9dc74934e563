"""Sessions are picked up by shard, start anew after an unsettled slice, and are closed."""

from __future__ import annotations

import threading

import pytest

from pipeline.flow.steps.sessions import IDLE_WAIT_SECONDS, ORPHAN_SECONDS, Sessions, Turn
from pipeline.io.source import Shard
from tests.unit.flow.world import EVENT, MemoryReader, event

A, B = Shard("a", 0, 1), Shard("b", 0, 1)
LINES = [event(number) for number in range(30)]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def reader() -> MemoryReader:
    return MemoryReader("a", EVENT, LINES, 10, lambda app_ids: [None] * len(app_ids))


def test_a_shard_keeps_its_session(sessions: Sessions) -> None:
    first = sessions.pick_up(A, reader)
    assert sessions.pick_up(A, reader) is first
    assert sessions.pick_up(B, reader) is not first


def test_a_slice_that_nobody_settled_is_read_again(sessions: Sessions) -> None:
    session = sessions.pick_up(A, reader)
    first, again = session.next(0), session.next(0)
    assert first is not None
    assert again is not None
    assert first.span == again.span


def test_a_landed_slice_is_followed_by_the_next(sessions: Sessions) -> None:
    session = sessions.pick_up(A, reader)
    first = session.next(0)
    session.settle(first)
    second = session.next(0)
    assert first is not None
    assert second is not None
    assert second.span.start == first.span.stop


def test_an_orphan_is_closed(sessions: Sessions, clock: Clock) -> None:
    orphan = sessions.pick_up(A, reader)
    clock.now += ORPHAN_SECONDS + 1
    sessions.pick_up(B, reader)
    assert isinstance(orphan.reader, MemoryReader)
    assert orphan.reader.calls == ["close"]
    assert sessions.pick_up(A, reader) is not orphan


def test_a_turn_waits_only_while_no_other_session_has_work(
    sessions: Sessions, clock: Clock
) -> None:
    idle, busy = sessions.pick_up(A, reader), sessions.pick_up(B, reader)
    assert sessions.wait_for(idle) == IDLE_WAIT_SECONDS
    busy.next(0)
    assert sessions.wait_for(idle) == 0.0
    assert sessions.wait_for(busy) == IDLE_WAIT_SECONDS
    clock.now += 10
    assert sessions.wait_for(idle) == IDLE_WAIT_SECONDS


def test_the_lag_of_a_source_is_that_of_all_its_shards(sessions: Sessions) -> None:
    one, two = Shard("a", 0, 2), Shard("a", 1, 2)
    sessions.pick_up(one, reader).lag = 3
    ended = sessions.pick_up(two, reader)
    ended.lag = 4
    sessions.pick_up(B, reader).lag = 100
    assert sessions.lag_of("a") == 7
    sessions.end(ended)
    assert sessions.lag_of("a") == 3


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
