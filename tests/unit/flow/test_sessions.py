"""Sessions are picked up by shard, start anew after an unsettled slice, and are closed."""

from __future__ import annotations

import pytest

from pipeline.flow.sessions import IDLE_WAIT_SECONDS, ORPHAN_SECONDS, Sessions
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
    return MemoryReader("a", EVENT, LINES, 10, lambda app_id: None)


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
