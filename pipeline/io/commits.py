"""What each commit of an event table said about the messages it accounts for.

A commit's account (read = written + rejected + dropped) stays in the log for as long as the log
keeps its entries, a week by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deltalake import DeltaTable

from pipeline.io.deltalog import METADATA_KEY
from pipeline.io.lake_faults import lake_faults


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


def commits_of(table: DeltaTable, event: str, since: int = 0) -> list[Commit]:
    """The accounts in the log from version `since` on, oldest first; rewrites have none."""
    newest = table.version()
    with lake_faults("The lake's log could not be read", event):
        entries = table.history(max(newest - since + 1, 1))
    found = []
    for entry in entries:
        account = entry.get(METADATA_KEY)
        version = int(entry.get("version", -1))
        if isinstance(account, Mapping) and "read" in account and version >= since:
            found.append(
                Commit(
                    event,
                    version,
                    datetime.fromtimestamp(int(entry["timestamp"]) / 1000, UTC),
                    int(account["read"]),
                    int(account["written"]),
                    dict(account.get("rejected") or {}),
                    dict(account.get("dropped") or {}),
                )
            )
    return sorted(found, key=lambda commit: commit.version)
