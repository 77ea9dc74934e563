"""What each commit of an event table said about the messages it accounts for.

A commit's account (read = written + rejected + dropped) stays in the log for as long as the log
keeps its entries, at least two days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

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


def commits_of(log: DeltaLog, event: str, since: int = 0) -> tuple[int, list[Commit]]:
    """Return the log's version, and the accounts in it from version `since` on, oldest first.

    The version is -1 before the table is created. Rewrites have no account.
    """
    newest, records = log.history_since(since)
    return newest, [
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
