"""Traffic for one event as blocks of NDJSON: exactly as many lines as asked for, from a seed.

Equal arguments give equal bytes. Lines follow the world's time; about `awkward` of them are
malformed, hostile, early, late or sent with an opt-out signal, and a few are duplicated. Each
block holds what arrives on one day, and days come in order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np

from pipeline.demo.awkward import awkward_lines
from pipeline.demo.columns import DAY_US, Ints, line_bytes
from pipeline.demo.lines import MAKERS
from pipeline.demo.world import World

EVENTS = tuple(MAKERS)
_PER_SESSION = {"api_request": 9, "session": 1, "feature_use": 3, "error_log": 2}
"""How many lines of an event come with one session."""

_DUPLICATE_SHARE = 0.15
"""Share of the awkward lines that are exact repeats of the line before."""

_BLOCK = 64_000


def sessions_of(event: str, events: int) -> int:
    """How many sessions a world needs for so many lines of one event."""
    return max(1, events // _PER_SESSION[event])


def generate(world: World, event: str, events: int, *, awkward: float = 0.01) -> Iterator[bytes]:
    """Yield blocks of whole lines, `events` lines together.

    `event` is one of `EVENTS`; `awkward` is a share in [0, 1). Blocks hold up to about 64,000
    lines, so memory does not grow with `events`.
    """
    return (block for _, block in arrivals(world, event, events, awkward=awkward))


def arrivals(
    world: World, event: str, events: int, *, awkward: float = 0.01
) -> Iterator[tuple[date, bytes]]:
    """Yield the same blocks, each with the UTC day on which its lines arrive; days only rise."""
    strange = round(events * awkward)
    sound = events - strange
    purpose = 2 + EVENTS.index(event)
    oddities = _Oddities(world, event, world.random(purpose))
    last = 0
    for sessions in world.all_parts():
        rows, odd = (
            total * (sessions.part + 1) // world.parts - total * sessions.part // world.parts
            for total in (sound, strange)
        )
        for first in range(0, rows, _BLOCK):
            block = min(_BLOCK, rows - first)
            mine = world.random(purpose, sessions.part, first)
            made = MAKERS[event](world, sessions, block, mine)
            offsets, data = line_bytes(made.lines)
            # A part may begin before the longest sessions of the last one ended.
            days = np.maximum(np.maximum.accumulate(made.arrived_us // DAY_US), last)
            borders = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), block]
            for begin, end in pairwise(borders):
                last = int(days[begin])
                oddities.arrive(last)
                # The awkward lines of a part are spread over its days by the same arithmetic.
                count = odd * (first + end) // rows - odd * (first + begin) // rows
                pieces = _sprinkle(offsets[begin : end + 1], data, oddities, count, mine)
                yield _day(last), b"".join(pieces)
        if not rows:
            last = max(last, int(sessions.start_us[0] // DAY_US)) if odd else last
            oddities.arrive(last)
            yield _day(last), b"".join(next(oddities) for _ in range(odd))


class _Oddities:
    """Awkward lines without end, each with a time of the day on which it arrives."""

    def __init__(self, world: World, event: str, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self._begin = self._end = world.begin_us
        self._lines = awkward_lines(event, random, self._arrival)

    def arrive(self, day: int) -> None:
        """Let the next lines arrive on that day, counted from 1970."""
        self._begin = max(day * DAY_US, self._world.begin_us)
        self._end = min((day + 1) * DAY_US, self._world.end_us)

    def __next__(self) -> bytes:
        return next(self._lines)

    def _arrival(self) -> tuple[datetime, datetime]:
        inside = self._begin + int(self._random.random() * (self._end - self._begin - 1))
        return _time(inside), _time(self._end)


def _sprinkle(
    offsets: Ints,
    data: memoryview,
    oddities: _Oddities,
    count: int,
    random: np.random.Generator,
) -> Iterator[bytes | memoryview]:
    """Cut the block after `count` random lines and put an awkward line into each cut."""
    lines = len(offsets) - 1
    previous = 0
    for cut in np.sort(random.integers(1, lines + 1, count)).tolist():
        yield data[offsets[previous] : offsets[cut]]
        previous = cut
        if random.random() < _DUPLICATE_SHARE:
            yield data[offsets[cut - 1] : offsets[cut]]
        else:
            yield next(oddities)
    yield data[offsets[previous] : offsets[lines]]


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
