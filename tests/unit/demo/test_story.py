"""What happens in the demo's time: where it is placed, and in how long a demo."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.columns import DAY_US
from pipeline.demo.story import HOUR_US, story_of

PROFILE = load_profile()
NOON = DAY_US // 2


@pytest.mark.parametrize(
    ("days", "incident", "release"), [(2, False, False), (3, True, False), (60, True, True)]
)
def test_a_short_demo_has_less_to_tell(days: int, incident: bool, release: bool) -> None:
    story = story_of(PROFILE, NOON, NOON + days * DAY_US)
    assert (story.incident is not None, story.release_us is not None) == (incident, release)


def test_the_incident_is_one_region_for_its_hours() -> None:
    story = story_of(PROFILE, NOON, NOON + 10 * DAY_US)
    begin = 7 * DAY_US + PROFILE.incident.start_hour * HOUR_US
    assert story.incident == (begin, begin + PROFILE.incident.hours * HOUR_US)
    there = PROFILE.shares["regions"].words.index(PROFILE.incident.region)
    times = np.array([begin - 1, begin, begin, begin + PROFILE.incident.hours * HOUR_US])
    regions = np.array([there, there, there + 1, there])
    assert story.broken(PROFILE, regions, times).tolist() == [False, True, False, False]


def test_the_release_lasts() -> None:
    story = story_of(PROFILE, NOON, NOON + 60 * DAY_US)
    assert story.release_us is not None
    times = np.array([story.release_us - 1, story.release_us, NOON + 60 * DAY_US])
    assert story.released(times).tolist() == [False, True, True]
    quiet = story_of(PROFILE, NOON, NOON + DAY_US)
    assert not quiet.released(times).any()
    assert not quiet.broken(PROFILE, np.zeros(3, dtype=np.int64), times).any()
