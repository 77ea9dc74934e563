"""What an expiry would delete: a pure plan over what the log names and what the storage lists.

    day D + 89 d 00:00 UTC    eligible: readers' views hide it, an expiry deletes it
    day D + 90 d 00:00 UTC    must be gone: `overdue`

The digest of a plan covers the resolved list of files and keys, not the arguments that led to it:
applying a digest deletes exactly what was shown, or nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.errors import counted
from pipeline.io.keys.keystore import EpochRecord
from pipeline.io.lake.orphans import Leftovers, writer_of
from pipeline.io.lake.snapshot import Snapshot
from pipeline.io.lake.storage import StoredFile

MOST_PARTITIONS = 3
MOST_ROWS = 0.05
CLOCK_DIFFERENCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, order=True)
class Doomed:
    """A file to be deleted."""

    table: str
    path: str
    day: date
    size: int
    rows: int
    named: bool
    """Whether a commit names it; an orphan has no known rows."""


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day that a legal hold keeps beyond its time."""

    day: date
    hold: str


@dataclass(frozen=True, slots=True)
class ExpiryPlan:
    """Everything that one expiry deletes and destroys, and what it leaves, with the reason."""

    files: tuple[Doomed, ...]
    keys: tuple[str, ...]
    """Epochs whose last day expires with this plan or did so before."""
    rows_in_lake: int
    held: tuple[HeldDay, ...] = ()
    foreign: tuple[str, ...] = ()
    """Files that this program did not write, or that have no date: never deleted, only listed."""
    overdue: tuple[date, ...] = ()
    """Days of the plan that should be gone already."""

    @property
    def digest(self) -> str:
        """The hash of the resolved list, which `--apply` takes."""
        resolved = [[file.table, file.path, file.size] for file in sorted(self.files)]
        text = json.dumps([resolved, sorted(self.keys)], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def partitions(self) -> tuple[tuple[str, date], ...]:
        """The days of each table that lose files, in order."""
        return tuple(sorted({(file.table, file.day) for file in self.files}))

    @property
    def rows(self) -> int:
        """Rows in the named files."""
        return sum(file.rows for file in self.files)

    @property
    def empty(self) -> bool:
        """Whether no action is needed."""
        return not self.files and not self.keys


@dataclass(frozen=True, slots=True)
class TableView:
    """One table as an expiry sees it, and how many days its rows are kept."""

    name: str
    snapshot: Snapshot
    leftovers: Leftovers
    kept_days: int


def plan_expiry(
    tables: Sequence[TableView],
    epochs: Iterable[EpochRecord],
    holds: Mapping[date, str],
    now: datetime,
    retention_days: int,
) -> ExpiryPlan:
    """Return what is to be deleted at `now` (UTC). `holds`: kept days and names of their holds."""
    today = now.date()
    doomed: list[Doomed] = []
    held: set[HeldDay] = set()
    foreign: list[str] = []
    overdue: set[date] = set()
    for table in tables:
        newest = today - timedelta(days=table.kept_days)
        for file in _dated(table, newest):
            if file.day in holds:
                held.add(HeldDay(file.day, holds[file.day]))
                continue
            doomed.append(file)
            if file.day < newest:
                overdue.add(file.day)
        strange = (*table.leftovers.foreign, *filter(_undated, table.leftovers.orphans))
        foreign += [f"{table.name}/{found.path}" for found in strange]
    last = today - timedelta(days=retention_days - 1)
    keys = [
        epoch.name
        for epoch in epochs
        if epoch.live and epoch.last_day <= last and not any(map(epoch.covers, holds))
    ]
    return ExpiryPlan(
        tuple(sorted(doomed)),
        tuple(sorted(keys)),
        sum(table.snapshot.rows for table in tables),
        tuple(sorted(held, key=lambda held: held.day)),
        tuple(sorted(foreign)),
        tuple(sorted(overdue)),
    )


def _dated(table: TableView, newest: date) -> Iterable[Doomed]:
    for file in table.snapshot.files:
        if file.day <= newest:
            yield Doomed(table.name, file.path, file.day, file.size, file.rows, True)
    unnamed = [(found, newest) for found in table.leftovers.orphans]
    # Files staged for a day may still be committed for half an hour: allow them a day.
    unnamed += [(found, newest - timedelta(days=1)) for found in table.leftovers.young]
    for found, limit in unnamed:
        day = day_of(found)
        if day is not None and day <= limit:
            yield Doomed(table.name, found.path, day, found.size, 0, False)


def day_of(found: StoredFile) -> date | None:
    """Return the day in the path of one of our files, or None if it has none."""
    if writer_of(found.path) is None:
        return None
    folder = found.path.partition("/")[0]
    try:
        return date.fromisoformat(folder.partition("=")[2])
    except ValueError:
        return None


def _undated(found: StoredFile) -> bool:
    return day_of(found) is None


@dataclass(frozen=True, slots=True)
class Guard:
    """A reason not to delete now."""

    name: str
    why: str
    acknowledgeable: bool


def guards(
    plan: ExpiryPlan, now: datetime, last_run: datetime | None, store_time: datetime | None
) -> tuple[Guard, ...]:
    """Return every guard that is against applying `plan` at `now`.

    `store_time` is the store's clock; None where a drill has set the clock by hand.
    """
    found: list[Guard] = []
    if last_run is not None and now < last_run:
        why = (
            f"the clock says {now:%Y-%m-%dT%H:%MZ}, but an expiry ran at {last_run:%Y-%m-%dT%H:%MZ}"
        )
        found.append(Guard("order", why, False))
    if store_time is not None and abs(store_time - now) > CLOCK_DIFFERENCE:
        hours = (now - store_time) / timedelta(hours=1)
        found.append(
            Guard("clock", f"the clock is {hours:+.1f} h from the clock of the store", False)
        )
    # Rejections are a week of coordinates: losing them all is no loss of data.
    days = {day for table, day in plan.partitions if table != "rejections"}
    if len(days) > MOST_PARTITIONS:
        why = f"{counted(len(days), 'day')} would go, and {MOST_PARTITIONS} is the most in one run"
        found.append(Guard("partitions", why, True))
    if plan.rows_in_lake and plan.rows > MOST_ROWS * plan.rows_in_lake:
        share = plan.rows / plan.rows_in_lake
        why = f"{share:.1%} of all rows would go, and {MOST_ROWS:.0%} is the most in one run"
        found.append(Guard("rows", why, True))
    return tuple(found)
