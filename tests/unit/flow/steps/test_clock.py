"""A machine whose clock is behind stops; it does not reject its way through everything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.errors import ClockBehind
from pipeline.flow.runners.embedded import run_here
from pipeline.flow.runners.signals import Stop
from pipeline.flow.steps.write import MOST_MESSAGES
from tests.unit.flow.world import EVENT, NOW, MemorySource, event, world

LATER = (NOW + timedelta(hours=2)).isoformat()


def lines(ahead: int, of: int) -> tuple[bytes, ...]:
    return tuple(event(n, **({"occurred_at": LATER} if n < ahead else {})) for n in range(of))


@pytest.mark.parametrize(("ahead", "of"), [(40, 40), (51, 100), (MOST_MESSAGES, MOST_MESSAGES)])
def test_most_of_a_slice_ahead_of_the_clock_stops_the_run_and_commits_nothing(
    ahead: int, of: int
) -> None:
    here = world(MemorySource("a", EVENT, lines(ahead, of), size=of))
    with pytest.raises(ClockBehind, match=f"{ahead} of {of} messages are later") as caught:
        run_here(here.ports, Stop())
    assert caught.value.exit_code == 3
    assert here.lake.tables[EVENT].position_of == {}
    assert here.lake.refused.reasons == {}


@pytest.mark.parametrize(("ahead", "of"), [(50, 100), (MOST_MESSAGES - 1, MOST_MESSAGES - 1)])
def test_some_devices_with_a_wrong_clock_stop_nobody(ahead: int, of: int) -> None:
    here = world(MemorySource("a", EVENT, lines(ahead, of), size=of))
    summary = run_here(here.ports, Stop())
    assert summary.tally.rejected == {"in_future": ahead}
    assert summary.tally.written == of - ahead
