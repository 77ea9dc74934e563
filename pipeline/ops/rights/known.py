"""For how many accounts is nothing stored? A quick look at the newest days, to find mistyped ids.

One column is read, the newest days first, until every account was seen or enough rows were
examined; so the result says what was examined, and proves nothing about earlier days. An erasure
examines all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from pipeline.events.schema import SUBJECT
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.table import StoredTable
from pipeline.io.rights.request_queue import AccountTokens
from pipeline.ops.rewrite import undisturbed
from pipeline.ops.rights.erasure import Subjects, merged
from pipeline.ops.rights.worker import erasure_targets
from pipeline.privacy.identity.epochs import EpochKind

MOST_ROWS = 2_000_000
"""No further day is examined after this many rows: about a second."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the newest days found."""

    unknown: int
    """Accounts that have no row in any of these days."""
    first: date | None
    """The oldest day that was examined; None if nothing is stored at all."""
    whole: bool
    """Whether all days of the lake were examined."""

    @property
    def where(self) -> str:
        """What was examined, in words."""
        if self.whole or self.first is None:
            return "in the lake"
        return f"since {self.first}, and older days were not looked at"


def look(
    lake: Lake, people: Sequence[AccountTokens], epochs: EpochKind, most: int | None = None
) -> Looked:
    """Look for rows of these accounts; nothing is changed."""
    most = MOST_ROWS if most is None else most
    subjects = Subjects(epochs, merged(one.subjects for one in people))
    return undisturbed(lambda: _look(lake, people, subjects, most))


def _look(lake: Lake, people: Sequence[AccountTokens], subjects: Subjects, most: int) -> Looked:
    by_day: dict[date, list[tuple[StoredTable, PartFile]]] = {}
    for target in erasure_targets(lake):
        for file in target.table.snapshot().files:
            by_day.setdefault(file.day, []).append((target.table, file))
    missing = [set(one.subjects.values()) for one in people]
    rows, first, whole = 0, None, True
    for day in sorted(by_day, reverse=True):
        if not missing or rows >= most:
            whole = False
            break
        seen = set[str]()
        for table, file in by_day[day]:
            wanted = pc.field(SUBJECT).isin(subjects.of(day))
            seen |= set(table.storage.read(file.path, [SUBJECT], wanted)[SUBJECT].to_pylist())
            rows += file.rows
        missing = [tokens for tokens in missing if tokens.isdisjoint(seen)]
        first = day
    return Looked(len(missing), first, whole)
