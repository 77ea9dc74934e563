"""The demo's input as it would have arrived: a file for each day, taken in on that day.

An installation is a few weeks old when the demo looks at it: what is older was in the logs
already, and was taken in on the first day. One clock, that of the story, moves from day to day
with the file that is being read, so that the lake, its log and the figures made from it have a
history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.wiring.fitting import open_fitting_lake
from pipeline.io.files.source import FileSource
from pipeline.io.lake.staging import MachineClock
from pipeline.io.source import Clock, Pace, Positions, Reader, Shard

if TYPE_CHECKING:
    from pipeline.events.model import Slice, Span
    from pipeline.io.lake.lake import Lake
    from pipeline.settings import Settings

INSTALLED_DAYS = 28
"""How old the demo's installation is."""


@dataclass(slots=True)
class StoryClock:
    """The time of the story; whoever reads a day's file sets it."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


def open_story_lake(settings: Settings, story: StoryClock) -> Lake:
    """Open the lake, with files dated by the story."""
    lake = open_fitting_lake(settings, story)
    lake.writer.clock = MachineClock(wall=lambda: story.at.timestamp())
    return lake


def taken_in_on(day: date, begin: date, end: date) -> date:
    """Return the day on which lines of `day` are taken in.

    >>> days = date(2026, 10, 1), date(2026, 11, 30)
    >>> [taken_in_on(day, *days).isoformat() for day in (date(2026, 10, 5), date(2026, 11, 9))]
    ['2026-11-02', '2026-11-09']
    """
    return max(day, begin, end - timedelta(days=INSTALLED_DAYS))


def end_of(day: date, now: datetime) -> datetime:
    """Return when a day's file is read: in its last second, or now."""
    return min(datetime.combine(day, time(23, 59, 59), UTC), now)


@dataclass(frozen=True, slots=True)
class DailyFiles:
    """A folder with a file for each day, as a source that is read day by day; see the module."""

    files: FileSource
    """The same files as the settings name them."""
    story: StoryClock
    now: datetime

    @property
    def name(self) -> str:
        """See `pipeline.io.source.Source`."""
        return self.files.name

    @property
    def event(self) -> str:
        """See `pipeline.io.source.Source`."""
        return self.files.event

    def shards(self, workers: int) -> Sequence[Shard]:
        """One, whatever the number of workers: days come in order."""
        assert workers == 1
        return self.files.shards(1)

    def open(self, shard: Shard, positions: Positions, pace: Pace, clock: Clock) -> Reader:
        """Open a reader of all days."""
        return DailyReader(self, shard, positions, pace, clock)


class DailyReader:
    """Reads the days' files one after the other, and sets the story's clock to each."""

    def __init__(
        self, source: DailyFiles, shard: Shard, positions: Positions, pace: Pace, clock: Clock
    ) -> None:
        self._days = []
        for path in sorted(Path(source.files.paths[0]).iterdir()):
            moment = end_of(date.fromisoformat(path.stem), source.now)
            files = FileSource(
                source.name, source.event, (str(path),), source.files.claims, source.files.key
            )
            self._days.append((moment, files.open(shard, positions, pace, clock)))
        self._story = source.story

    def poll(self, wait: float) -> Slice | None:
        """See `pipeline.io.source.Reader`."""
        while len(self._days) > 1 and self._days[0][1].at_end():
            self._days.pop(0)[1].close()
        self._story.at, reader = self._days[0]
        return reader.poll(wait)

    def committed(self, span: Span) -> None:
        """See `pipeline.io.source.Reader`."""
        self._days[0][1].committed(span)

    def forget(self) -> None:
        """See `pipeline.io.source.Reader`."""
        self._days[0][1].forget()

    def flush(self) -> None:
        """See `pipeline.io.source.Reader`."""
        self._days[0][1].flush()

    def at_end(self) -> bool:
        """See `pipeline.io.source.Reader`."""
        return all(reader.at_end() for _, reader in self._days)

    def is_known(self) -> bool:
        """See `pipeline.io.source.Reader`."""
        return any(reader.is_known() for _, reader in self._days)

    def lag(self) -> int:
        """See `pipeline.io.source.Reader`."""
        return sum(reader.lag() for _, reader in self._days)

    def close(self) -> None:
        """See `pipeline.io.source.Reader`."""
        for _, reader in self._days:
            reader.close()
