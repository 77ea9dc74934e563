"""What each commit of an event table said about the messages it accounts for.

A commit's account (read = written + rejected + dropped) stays in the log for as long as the log
keeps its entries, two days at least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.io.deltalog import DeltaLog


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit's account of its messages."""

    event: str
    version: int
    at: datetime
    read: int
    written: int
    rejected: Mapping[str, int]
    dropped: Mapping[str, int]


def commits_of(log: DeltaLog, event: str, since: int = 0) -> tuple[int, list[Commit]]:
    """Return the log's version, and the accounts in it from version `since` on, oldest first.

    The version is -1 before the table is created. Rewrites have no account.
    """
    newest, records = log.history_since(since)
    return newest, [
        Commit(
            event,
            record.version,
            datetime.fromtimestamp(record.at_ms / 1000, UTC),
            int(account["read"]),
            int(account["written"]),
            dict(account.get("rejected") or {}),
            dict(account.get("dropped") or {}),
        )
        for record in records
        if "read" in (account := record.account)
    ]
