"""What happens in the demo's time, so that its pages have something to tell.

An incident is a few hours in which one region answers slowly or not at all, and many sessions do
not start. A release makes one route and the first frame faster from a day on. Both are the same
for every event; how large they are is in `schemas/demo/traffic.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.demo.columns import DAY_US, Flags, Ints
from pipeline.demo.profile import Floats, Profile

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Story:
    """When it happens, in microseconds since 1970; None if the demo is too short for it."""

    incident: tuple[int, int] | None
    release_us: int | None

    def broken(self, profile: Profile, region: Ints, times: Ints) -> Flags:
        """Which rows are inside the incident: right time and region."""
        if self.incident is None:
            return np.zeros(len(times), dtype=np.bool_)
        begin, end = self.incident
        here = profile.shares["regions"].words.index(profile.incident.region)
        found: Flags = (times >= begin) & (times < end) & (region == here)
        return found

    def released(self, times: Ints) -> Flags:
        """Which rows are from after the release."""
        if self.release_us is None:
            return np.zeros(len(times), dtype=np.bool_)
        found: Flags = times >= self.release_us
        return found


def story_of(profile: Profile, begin_us: int, end_us: int) -> Story:
    """Place the incident at seven tenths of the days, and the release some days before the end.

    Demos of fewer than three days have no incident, those of fewer than twice the release's days
    no release.
    """
    first, last = begin_us // DAY_US, end_us // DAY_US
    incident = release = None
    if last - first >= 3:
        begin = (first + round((last - first) * 0.7)) * DAY_US
        begin += profile.incident.start_hour * HOUR_US
        incident = int(begin), int(begin + profile.incident.hours * HOUR_US)
    if last - first >= 2 * profile.release.days_ago:
        release = int((last - profile.release.days_ago) * DAY_US)
    return Story(incident, release)


def factors(rows: int, *effects: tuple[Flags, float]) -> Floats:
    """Multiply 1.0 by a factor wherever its flag holds, row by row.

    >>> factors(2, (np.array([True, False]), 6.0), (np.array([True, True]), 0.5)).tolist()
    [3.0, 0.5]
    """
    found = np.ones(rows)
    for flags, factor in effects:
        found = np.where(flags, found * factor, found)
    return found
