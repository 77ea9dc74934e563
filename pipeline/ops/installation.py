"""Whether keys and lake belong together, the first meeting of an old pair, and a deliberate change.

A state folder that was lost, is new, or belongs to another lake has other keys: everybody who
opted out or was erased would come back under new tokens, every row would be read a second time, and
an erasure would find nothing. So every writer looks first. What version 0.1 wrote does not name its
installation: it is adopted if everything that can be compared agrees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipeline.io.keys.installation import (
    INSTALLATION,
    KEY,
    checks_of,
    number_of,
    older_than,
    wrong_installation,
)
from pipeline.io.keys.keystore import EpochRecord, Keystore
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import PartFile, take_snapshot
from pipeline.io.lake.table import StoredTable
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of

CLOCKS_AGREE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class KeyFit:
    """What a comparison of lake and keys found."""

    misfits: tuple[str, ...]
    """Why they do not belong together, one sentence per reason; empty if they do."""
    unmarked: tuple[StoredTable, ...]
    """Tables that name no installation, as version 0.1 left them."""
    there: Mapping[str, StoredTable]
    """Every existing table with rows of people, by its path in the lake."""

    @property
    def tables(self) -> int:
        """How many tables were compared."""
        return len(self.there)

    @property
    def first_meeting(self) -> bool:
        """Whether there are tables, and none of them names an installation."""
        return bool(self.unmarked) and len(self.unmarked) == self.tables


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an adoption changed; fields as a receipt names them."""

    installation: str
    before: list[str]
    """The installations that the tables were marked with."""
    tables: list[str]
    gone: list[str]
    """Tables that used to exist, and are no longer expected."""


def look(lake: Lake, keys: Keystore | None, now: datetime, retention_days: int) -> KeyFit:
    """Compare every table with rows of people; nothing is changed.

    `keys` is None for a state folder without keys. Raises LakeError for a folder that holds Parquet
    files and no log: nothing reported about such a table would be true.
    """
    records = () if keys is None else keys.epochs()
    mine = None if keys is None else keys.installation()
    checks = {} if keys is None else checks_of(keys, (one.name for one in records if one.live))
    misfits: list[str] = []
    unmarked: list[StoredTable] = []
    there: dict[str, StoredTable] = {}
    for name, table in lake.personal_tables():
        loaded = table.log.load()
        if loaded is None:
            table.log.refuse_without_log()
            continue
        there[name] = table
        files = take_snapshot(loaded, table.log.uri, table.log.partition).files
        found = loaded.transaction_version(INSTALLATION)
        if found is None:
            unmarked.append(table)
            misfits += [f"{name}: {why}" for why in _older_than_keys(table, files, records)]
        elif mine is None:
            misfits.append(f"{name} was written by another installation; this one has no id yet")
        elif found != number_of(mine):
            misfits.append(f"{name} was written by another installation")
        misfits += [
            f"{name} was written with another key {app_id.removeprefix(KEY)}"
            for app_id, check in checks.items()
            if loaded.transaction_version(app_id) not in (check, None)
        ]
        # Read after the log, to which another process may have written a newer state meanwhile.
        lists = lake.installation.lists() if lake.installation else {}
        misfits += [
            f"{name}: {older_than(app_id)}"
            for app_id, number in lists.items()
            if (loaded.transaction_version(app_id) or 0) > number
        ]
        misfits += [
            f"{name} has rows of {day}, and the keys know no epoch of that day"
            for day in _days_without_epoch(files, records, now, retention_days)[:1]
        ]
    return KeyFit(tuple(misfits), tuple(unmarked), there)


def require_fit(
    lake: Lake, keys: Keystore | None, now: datetime, retention_days: int, where: str
) -> bool:
    """Raise WrongInstallation unless keys and lake belong together.

    Tables of version 0.1 are marked with this installation; True if all of them were such tables.
    Raises TableGone if one that used to exist is gone.
    """
    fit = look(lake, keys, now, retention_days)
    if fit.misfits:
        raise wrong_installation(where, "; ".join(fit.misfits[:3]))
    for table in fit.there.values():
        table.log.note()
    lake.require_tables(fit.there)
    if not fit.unmarked or keys is None:
        return False
    for table in fit.unmarked:
        mark(lake, table, keys)
    return fit.first_meeting


def adopt(lake: Lake, keys: Keystore, kind: EpochKind, now: datetime) -> Adopted:
    """Mark every table with this installation and its keys, whatever it was marked with before.

    Tables that are gone are forgotten: the next commit may create them again.

    Every epoch of a stored day that may have a key gets one. Returns what changed, for a receipt.
    Rows under earlier keys stay as they are: no request finds them, and they expire with their day.
    """
    gone = lake.forget_gone_tables()
    days: set[date] = set()
    before: set[str] = set()
    marked: list[str] = []
    found = [(name, table) for name, table in lake.personal_tables() if table.log.load()]
    for _, table in found:
        days |= {file.day for file in table.snapshot().files}
    for epoch in sorted({epoch_of(day, kind).name for day in days} | {_today(now, kind)}):
        keys.epoch_key(Epoch.parse(epoch))
    for name, table in found:
        was = table.log.version_of(INSTALLATION)
        before |= {f"{was:016x}"} if was is not None else set()
        mark(lake, table, keys)
        marked.append(name)
    mine = keys.begin()
    was_before = sorted(before - {mine})
    return Adopted(mine, was_before, marked, list(gone))


def mark(lake: Lake, table: StoredTable, keys: Keystore) -> None:
    """Write this installation's id, checks of its live keys and its lists into a table's log."""
    epochs = [one.name for one in keys.epochs() if one.live]
    numbers = {INSTALLATION: number_of(keys.begin()), **checks_of(keys, epochs)}
    if lake.installation is not None:
        numbers |= lake.installation.lists()
    table.mark(numbers, {"job": "adopt"})


def _today(now: datetime, kind: EpochKind) -> str:
    return epoch_of(now.date(), kind).name


def _days_without_epoch(
    files: Sequence[PartFile], records: Sequence[EpochRecord], now: datetime, retention_days: int
) -> list[date]:
    """Return the stored days that ought to have a key, or to have had one, and are in no epoch.

    A keystore forgets old destroyed epochs, so days beyond the retention need none.
    """
    epochs = [Epoch.parse(one.name) for one in records]
    oldest = now.date() - timedelta(days=retention_days)
    days = sorted({file.day for file in files})
    return [
        day
        for day in days
        if day > oldest and not any(one.first_day <= day <= one.last_day for one in epochs)
    ]


def _older_than_keys(
    table: StoredTable, files: Sequence[PartFile], records: Sequence[EpochRecord]
) -> list[str]:
    """Report files that were written before the key of their epoch was created.

    This can be compared even where a log does not name its installation: names of epochs come from
    the calendar, so another installation's keys have the same names. A key of a future day was
    created by a drill with a clock of its own.
    """
    wall = datetime.fromtimestamp(table.writer.clock.wall(), UTC)
    for one in records:
        epoch = Epoch.parse(one.name)
        made = datetime.fromisoformat(one.created_at) - CLOCKS_AGREE
        for file in files:
            written = datetime.fromtimestamp(file.added_ms / 1000, UTC)
            if epoch.first_day <= file.day <= epoch.last_day and written < made <= wall:
                return [f"its files of {file.day} are older than the key of epoch {one.name}"]
    return []
