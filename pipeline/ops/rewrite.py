"""Replace the files of one day by better ones, alongside a running pipeline and other jobs.

A rewrite plans on a snapshot, writes new files, and commits removals and additions in one step.
If another job has taken one of the planned files in between, nothing has happened and the rewrite
is planned again. Appends never disturb it. Removed files are deleted right after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from pipeline.errors import RewriteConflict
from pipeline.io.lake.table import StoredTable

ATTEMPTS = 10

S = TypeVar("S")
T = TypeVar("T")


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


def undisturbed(attempt: Callable[[], T]) -> T:
    """Call `attempt`, which plans on a snapshot and reads its files, until it runs undisturbed.

    A file of the snapshot may be replaced and deleted by another job at any moment. Raises
    RewriteConflict if other jobs were faster ten times in a row.
    """
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except (RewriteConflict, FileNotFoundError):
            continue
    raise RewriteConflict(
        "Other jobs kept changing the same files",
        remedy="Nothing was changed. Wait until they are done, then run again.",
    )


def on_snapshot(
    look: Callable[[], S],
    files: Callable[[S], Collection[str]],
    work: Callable[[S], T],
    refresh: Callable[[], None] = lambda: None,
) -> T:
    """Do `work`, which only reads, on what `look` shows; again on a newer one if files vanished.

    How a missing file is reported depends on who opens it and when, so no error is asked for its
    kind: `files` names the files of a snapshot, and after an error the newest one tells whether
    all are still there. If they are, the error is passed on. `refresh` is called before that
    look, for a lake that holds its tables. Raises RewriteConflict if other jobs were faster ten
    times in a row.
    """

    def attempt() -> T:
        seen = look()
        try:
            return work(seen)
        except Exception:
            refresh()
            if set(files(seen)) - set(files(look())):
                raise RewriteConflict("Another job removed a file while it was read") from None
            raise

    return undisturbed(attempt)


def retried(attempt: Callable[[], Rewritten], table: StoredTable) -> Rewritten:
    """Plan and commit one rewrite with `attempt` until it runs undisturbed; then vacuum."""
    done = undisturbed(attempt)
    if done.files_before:
        table.vacuum()
    return done
