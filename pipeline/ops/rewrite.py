"""Replace the files of one day by better ones, beside a running pipeline and other jobs.

A rewrite plans on a snapshot, writes new files, and commits removals and additions in one step.
If another job has taken one of the planned files in between, nothing has happened and the whole
is planned anew. Appends never disturb it. Removed files are deleted right after the commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import RewriteConflict
from pipeline.io.stored_table import StoredTable

ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What a rewrite did; all zero if there was nothing to do."""

    files_before: int = 0
    files_after: int = 0
    rows_before: int = 0
    rows_after: int = 0

    def __add__(self, other: Rewritten) -> Rewritten:
        return Rewritten(
            self.files_before + other.files_before,
            self.files_after + other.files_after,
            self.rows_before + other.rows_before,
            self.rows_after + other.rows_after,
        )

    @property
    def rows_removed(self) -> int:
        """Rows that are not in the new files."""
        return self.rows_before - self.rows_after


def retried(attempt: Callable[[], Rewritten], table: StoredTable) -> Rewritten:
    """Call `attempt`, which plans and commits one rewrite, until nobody disturbs it; then vacuum.

    Raises RewriteConflict if other jobs were faster ten times in a row.
    """
    for chance in range(ATTEMPTS):
        try:
            done = attempt()
        except RewriteConflict:
            if chance == ATTEMPTS - 1:
                raise
            continue
        if done.files_before:
            table.vacuum()
        return done
    raise AssertionError("unreachable")
