"""What each commit of an event table said about the messages it accounts for.

A commit's account (read = written + rejected + dropped) stays in the log for as long as the log
keeps its entries, at least two days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pipeline.io.delta.entry import CommitRecord
from pipeline.io.lake.delta_log import DeltaLog


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit's account of its messages."""

    event: str
    version: int
    at: datetime
    """When it was made, by the clock of its run (which `--now` sets)."""
    read: int
    written: int
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]
    nulled: Mapping[str, int] = field(default_factory=dict)
    """Values that became null, by `field.reason`; commits before 0.2 do not say."""


@dataclass(frozen=True, slots=True)
class History:
    """All that a log still says about the messages of one event."""

    commits: Sequence[Commit] = ()
    """Oldest first."""
    is_whole: bool = True
    """Whether the log still has every entry, so that there was no commit before these."""
    since: date = date.min
    """The first day for which the log certainly holds every commit."""


def history_of(log: DeltaLog, event: str) -> History:
    """Return every account that the log still holds, and how far back it is complete."""
    newest, records = log.history_since(0)
    commits = _accounts(records, event)
    if newest < 0 or (records and records[0].version == 0):
        return History(commits)
    kept = (midnight_after(record.at_ms) for record in records)
    return History(commits, False, min(kept, default=date.max))


def midnight_after(at_ms: int) -> date:
    """Return the first day that began after a moment."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date() + timedelta(days=1)


def commits_of(log: DeltaLog, event: str, since: int = 0) -> tuple[int, list[Commit]]:
    """Return the log's version, and the accounts in it from version `since` on, oldest first.

    The version is -1 before the table is created. Rewrites have no account.
    """
    newest, records = log.history_since(since)
    return newest, _accounts(records, event)


def _accounts(records: Iterable[CommitRecord], event: str) -> list[Commit]:
    return [
        Commit(
            event,
            record.version,
            datetime.fromtimestamp(account.get("at_ms", record.at_ms) / 1000, UTC),
            int(account["read"]),
            int(account["written"]),
            dict(account.get("rejected") or {}),
            dict(account.get("dropped") or {}),
            dict(account.get("nulled") or {}),
        )
        for record in records
        if "read" in (account := record.account)
    ]
