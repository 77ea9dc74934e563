"""The clock of requests: every limit at its edge, and which request is due when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.io.rights.request_queue import AccountTokens, Request, RequestKind
from pipeline.io.standings.entries import to_micros
from pipeline.ops.rights.deadlines import Lateness, RequestStage, due, entry_of
from tests.unit.ops.rights.desk import T0

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
NOBODY = AccountTokens("", {})


def request(
    kind: RequestKind, swept: timedelta | None = None, done: timedelta | None = None
) -> Request:
    def at(age: timedelta | None) -> int | None:
        return None if age is None else to_micros(T0 + age)

    return Request("1", kind, to_micros(T0), NOBODY, done_at=at(done), swept_at=at(swept))


@pytest.mark.parametrize(
    ("kind", "age", "clock"),
    [
        (RequestKind.ERASE, 72 * HOUR, Lateness.IN_TIME),
        (RequestKind.ERASE, 72 * HOUR + TICK, Lateness.LATE),
        (RequestKind.PURGE, 7 * DAY + TICK, Lateness.WARN),
        (RequestKind.EXPORT, 20 * DAY + TICK, Lateness.PAGE),
        (RequestKind.ERASE, 30 * DAY, Lateness.PAGE),
        (RequestKind.ERASE, 30 * DAY + TICK, Lateness.BROKEN),
        (RequestKind.ERASE_UNDER_13, 24 * HOUR, Lateness.IN_TIME),
        (RequestKind.ERASE_UNDER_13, 24 * HOUR + TICK, Lateness.LATE),
        (RequestKind.ERASE_UNDER_13, 36 * HOUR + TICK, Lateness.WARN),
        (RequestKind.ERASE_UNDER_13, 48 * HOUR + TICK, Lateness.PAGE),
        (RequestKind.ERASE_UNDER_13, 72 * HOUR + TICK, Lateness.BROKEN),
    ],
)
def test_the_clock_of_a_waiting_request(kind: RequestKind, age: timedelta, clock: Lateness) -> None:
    assert entry_of(request(kind), T0 + age).clock is clock


def test_the_clock_stops_when_the_rows_are_gone() -> None:
    entry = entry_of(request(RequestKind.ERASE, swept=HOUR), T0 + 40 * DAY)
    assert (entry.stage, entry.clock, entry.carried_out) == (
        RequestStage.SWEPT,
        Lateness.IN_TIME,
        T0 + HOUR,
    )
    late = entry_of(request(RequestKind.ERASE, swept=31 * DAY, done=31 * DAY), T0 + 40 * DAY)
    assert (late.stage, late.clock, late.second_pass) == (RequestStage.DONE, Lateness.BROKEN, None)


@pytest.mark.parametrize(
    ("kind", "second"),
    [
        (RequestKind.ERASE, True),
        (RequestKind.PURGE, True),
        (RequestKind.RESTRICT, True),
        (RequestKind.RELEASE, False),
        (RequestKind.EXPORT, False),
    ],
)
def test_what_takes_rows_away_gets_a_second_pass(kind: RequestKind, second: bool) -> None:
    entry = entry_of(request(kind), T0)
    assert entry.second_pass == (T0 + 8 * DAY if second else None)


def test_a_swept_request_is_due_again_after_eight_days() -> None:
    waiting, swept = request(RequestKind.ERASE), request(RequestKind.ERASE, swept=HOUR)
    done = request(RequestKind.ERASE, swept=HOUR, done=8 * DAY)
    assert due([waiting, swept, done], T0 + 8 * DAY - TICK) == [waiting]
    assert due([waiting, swept, done], T0 + 8 * DAY) == [waiting, swept]
