"""The state of a lake and its inputs now: rows by day, positions, what is still unread.

Looking changes and creates nothing: an installation that never ran is empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.events.schema import EventSchema
from pipeline.io.files.judging import Judge
from pipeline.io.files.recognition import Recognizer
from pipeline.io.files.tailing import Tails
from pipeline.io.lake.commits import commits_of
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import Snapshot
from pipeline.io.source import Positions

RECENT_COMMITS = 200
"""Commits of a table whose accounts are read: an hour or so of a busy source."""


@dataclass(frozen=True, slots=True)
class Day:
    """One partition."""

    date: date
    rows: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TableState:
    """One table at one version of its log; `version` is -1 if it was never created."""

    table: str
    version: int
    days: tuple[Day, ...]

    @property
    def rows(self) -> int:
        """Rows of all days."""
        return sum(day.rows for day in self.days)

    @property
    def files(self) -> int:
        """Files of all days."""
        return sum(day.files for day in self.days)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(day.bytes for day in self.days)

    @property
    def oldest(self) -> date | None:
        """The oldest day that has a file."""
        return self.days[0].date if self.days else None


@dataclass(frozen=True, slots=True)
class InputState:
    """One input file: how much of it is in the lake."""

    source: str
    event: str
    path: str
    position: int | None
    """Next unread byte; None if the lake has none of it."""
    size: int
    lag_bytes: int
    """Bytes that are not in the lake; 0 for a compressed file that was begun: not known."""


def table_states(lake: Lake, schemas: Mapping[str, tuple[EventSchema, ...]]) -> list[TableState]:
    """The events' tables by name, then the rejections."""
    states = [
        _state(event, lake.events(event, versions[-1].stored).snapshot())
        for event, versions in sorted(schemas.items())
    ]
    return [*states, _state("rejections", lake.rejections().snapshot())]


def recent_nulled(
    lake: Lake, schemas: Mapping[str, tuple[EventSchema, ...]], states: Sequence[TableState]
) -> dict[str, Mapping[str, int]]:
    """Values that became null in the last commits of each event's table, by `field.reason`."""
    found: dict[str, Mapping[str, int]] = {}
    for state in states:
        if state.table not in schemas or state.version < 0:
            continue
        log = lake.events(state.table, schemas[state.table][-1].stored).log
        counts: Counter[str] = Counter()
        for commit in commits_of(log, state.table, state.version - RECENT_COMMITS + 1)[1]:
            counts.update(commit.nulled)
        found[state.table] = counts
    return found


def _state(table: str, snapshot: Snapshot) -> TableState:
    days = [
        Day(
            day,
            sum(file.rows for file in files),
            len(files),
            sum(file.size for file in files),
        )
        for day, files in snapshot.by_day().items()
    ]
    return TableState(table, snapshot.version, tuple(days))


def input_states(
    source: str, event: str, paths: Sequence[str], key: bytes, positions: Positions
) -> list[InputState]:
    """How much of each file of a source is in the lake; `key` is the permanent key "files"."""
    tails = Tails(paths, key, to_end=True)
    judge = Judge(Recognizer(key, positions), tails, None, key)
    try:
        tails.scan(0.0, adopt=True)
        states = []
        for tail in sorted(tails, key=lambda tail: tail.path):
            content = tails.content(tail, 0.0)
            if content is None:
                continue
            match = judge.identify(tail, content, 0.0)
            known = None if match is None or match.is_new else match.position
            # Positions of a compressed file count uncompressed bytes.
            lag = tail.size if known is None else 0 if tail.packed else max(0, tail.size - known)
            lag = 0 if match is None else lag
            states.append(InputState(source, event, tail.path, known, tail.size, lag))
        return states
    finally:
        tails.close()
