"""Traffic for one event as blocks of NDJSON: exactly as many lines as asked for, from a seed.

Equal arguments give equal bytes. Lines follow the world's time; about `awkward` of them are
malformed, hostile, early, late or signed with an opt-out signal, and a few stand twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from pipeline.demo.awkward import awkward_lines
from pipeline.demo.columns import Ints, line_bytes
from pipeline.demo.lines import MAKERS
from pipeline.demo.world import World

EVENTS = tuple(MAKERS)
_PER_SESSION = {"api_request": 9, "session": 1, "feature_use": 3, "error_log": 2}
"""How many lines of an event come with one session."""

_DUPLICATE_SHARE = 0.15
"""Which part of the awkward lines are exact repeats of the line before."""

_BLOCK = 40_000


def sessions_of(event: str, events: int) -> int:
    """How many sessions a world needs for so many lines of one event."""
    return max(1, events // _PER_SESSION[event])


def generate(world: World, event: str, events: int, *, awkward: float = 0.01) -> Iterator[bytes]:
    """Yield blocks of whole lines, `events` lines together.

    `event` is one of `EVENTS`; `awkward` is a share in [0, 1). Blocks hold up to about 40,000
    lines, so memory does not grow with `events`.
    """
    strange = round(events * awkward)
    sound = events - strange
    maker = MAKERS[event]
    purpose = 2 + EVENTS.index(event)
    random = world.random(purpose)
    oddities = awkward_lines(event, _time(world.end_us), random, lambda: _within(world, random))
    for sessions in world.all_parts():
        rows, odd = (
            total * (sessions.part + 1) // world.parts - total * sessions.part // world.parts
            for total in (sound, strange)
        )
        for first in range(0, rows, _BLOCK):
            block = min(_BLOCK, rows - first)
            mine = world.random(purpose, sessions.part, first)
            lines = maker(world, sessions, block, mine)
            # The awkward lines of a part are spread over its blocks by the same arithmetic.
            count = odd * (first + block) // rows - odd * first // rows
            yield b"".join(_sprinkle(*line_bytes(lines), oddities, count, mine))
        if not rows:
            yield b"".join(next(oddities) for _ in range(odd))


def _sprinkle(
    offsets: Ints,
    data: memoryview,
    oddities: Iterator[bytes],
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


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


def _within(world: World, random: np.random.Generator) -> datetime:
    """A time in the last tenth of the world's time, so that it is young enough to be accepted."""
    span = world.end_us - world.begin_us
    return _time(world.end_us - int(random.random() * span / 10) - 1)
