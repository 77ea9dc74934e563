"""What became of a commit whose call failed: the log is asked, never the error.

A store may take an entry and answer 503, cut the connection, or say nothing; the client tries
again and meets its own entry, which it takes for somebody else's. So no refusal and no failure, of
whatever kind, says that a commit was not made. A commit is tried for one version only; the entry of
that version is read, and its random name, file names and positions are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from pipeline.io.delta.entry import parse_entry
from pipeline.io.delta.log_files import LogFiles, entries_in, entry_name


class Verdict(Enum):
    """What the log says of a commit."""

    MADE = "made"
    """The entry is ours."""
    TAKEN = "taken"
    """The version belongs to another commit: ours was not made, and no longer can be."""
    ABSENT = "absent"
    """No entry has the version yet. A request that is still on its way may bring it."""
    GONE = "gone"
    """The entry was cleaned away, or is not whole; only the table's files can tell."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A commit that was to be made."""

    version: int
    mark: str
    added: frozenset[str]
    removed: frozenset[str]
    positions: Mapping[str, int]


def judge(files: LogFiles, intent: Intent) -> Verdict:
    """Read the log and say what became of `intent`. Raises OSError if it cannot be read."""
    content = files.read(entry_name(intent.version))
    if content is None:
        newest = max(entries_in(files.names()), default=-1)
        return Verdict.GONE if newest > intent.version else Verdict.ABSENT
    entry = parse_entry(content)
    if entry is None:
        return Verdict.GONE
    ours = entry.mark == intent.mark
    # File names are random as well: an entry that has them all is ours, whatever it is called.
    ours = ours or (bool(intent.added) and intent.added <= entry.added)
    ours = ours and intent.positions.items() <= entry.positions.items()
    return Verdict.MADE if ours else Verdict.TAKEN
