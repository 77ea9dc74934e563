"""What a rollup needs from the lake: the files of each day, and what the log knows besides rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.dataset as pads

from pipeline.io.lake.commits import Commit, commits_of
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import PartFile
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.run import digest
from pipeline.ops.rollup.windows import CLOSES_AFTER
from pipeline.ops.views import visible

READ_AGAIN_DAYS = 2
"""Counts of messages for the last days are read again from the log: those days were still open."""


@dataclass(frozen=True, slots=True)
class LakeView:
    """One look at the lake: files by event and day, commits, late events."""

    files: Sequence[DayFiles]
    commits: Sequence[Commit]
    heads: Mapping[str, int]
    late: Mapping[tuple[str, date], int]
    newest_commit: datetime | None
    oldest_day: date | None
    direct: bool = True
    """Whether DuckDB can open the files itself: they are on a disk, and none is encrypted."""


def look_at(
    lake: Lake, schemas: Mapping[str, pa.Schema], heads: Mapping[str, int], now: datetime
) -> LakeView:
    """Take a snapshot of every event table. `heads`: from which version to read the log.

    Days from their 89th on are left out, as in every view. Raises LakeError.
    """
    files: list[DayFiles] = []
    commits: list[Commit] = []
    late: dict[tuple[str, date], int] = {}
    newest: list[datetime] = []
    days: list[date] = []
    next_heads: dict[str, int] = {}
    snapshots = {event: lake.events(event, schemas[event]).snapshot().files for event in schemas}
    direct = _direct(lake, snapshots)
    for event, parts in snapshots.items():
        log = lake.events(event, schemas[event]).log
        newest_version, found = commits_of(log, event, heads.get(event, 0))
        days += [part.day for part in parts]
        for day, mine in _by_day(visible(parts, now.date())).items():
            files.append(_day_files(event, day, mine, direct))
            if count := late_rows(day, mine):
                late[event, day] = count
        commits += found
        settled = now - timedelta(days=READ_AGAIN_DAYS)
        open_versions = [commit.version for commit in found if commit.at >= _midnight(settled)]
        next_heads[event] = min(open_versions, default=newest_version + 1)
        newest += [commit.at for commit in found[-1:]]
    return LakeView(
        files, commits, next_heads, late, max(newest, default=None), min(days, default=None), direct
    )


@dataclass(frozen=True, slots=True)
class StoredDays:
    """The files that a lake's views show, and when each day's newest was written."""

    files: Sequence[DayFiles]
    added: Mapping[tuple[str, date], datetime]
    direct: bool
    """Whether DuckDB can open the files itself."""


def stored_days(lake: Lake, schemas: Mapping[str, pa.Schema], now: datetime) -> StoredDays:
    """Take a snapshot of every event table and read nothing else. Raises LakeError."""
    snapshots = {event: lake.events(event, schemas[event]).snapshot().files for event in schemas}
    direct = _direct(lake, snapshots)
    files: list[DayFiles] = []
    added: dict[tuple[str, date], datetime] = {}
    for event, parts in snapshots.items():
        for day, mine in _by_day(visible(parts, now.date())).items():
            files.append(_day_files(event, day, mine, direct))
            newest = max(part.added_ms for part in mine)
            added[event, day] = datetime.fromtimestamp(newest / 1000, UTC)
    return StoredDays(files, added, direct)


def paths_of(seen: LakeView | StoredDays) -> set[str]:
    """Where the files are that were seen."""
    return {uri for one in seen.files for uri in one.uris}


class RemoteFiles:
    """Opens an event's files in an object store, or encrypted ones, for DuckDB."""

    def __init__(self, lake: Lake, schemas: Mapping[str, pa.Schema]) -> None:
        self._lake = lake
        self._schemas = schemas

    def __call__(self, event: str, paths: Sequence[str]) -> pads.Dataset:
        """The files at those paths, relative to the table, as one dataset with event_date."""
        schema = self._schemas[event]
        return self._lake.events(event, schema).storage.dataset(paths, schema, "event_date")


def _direct(lake: Lake, snapshots: Mapping[str, Sequence[PartFile]]) -> bool:
    return lake.local and not any(part.label for parts in snapshots.values() for part in parts)


def _by_day(parts: Sequence[PartFile]) -> dict[date, list[PartFile]]:
    days: dict[date, list[PartFile]] = {}
    for part in parts:
        days.setdefault(part.day, []).append(part)
    return days


def _day_files(event: str, day: date, parts: Sequence[PartFile], direct: bool) -> DayFiles:
    return DayFiles(
        event,
        day,
        tuple(part.uri if direct else part.path for part in parts),
        sum(part.rows for part in parts),
        digest(f"{part.path} {part.size}" for part in parts),
    )


def late_rows(day: date, parts: Sequence[PartFile]) -> int:
    """Rows written after the day was closed; none if all were: then it was loaded afterwards."""
    closing = _midnight_of(day + timedelta(days=1)) + CLOSES_AFTER
    after = [part for part in parts if part.added_ms / 1000 >= closing.timestamp()]
    return sum(part.rows for part in after) if len(after) < len(parts) else 0


def _midnight(moment: datetime) -> datetime:
    return _midnight_of(moment.astimezone(UTC).date())


def _midnight_of(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)
