"""The rows of restricted accounts of one event: set aside, in no view, still erasable.

A day has one file, which is replaced whole. Its new content is staged first; then the events' log
decides, by naming the file's number, that the move is made; then the file is committed here. From
the decision on the file is never removed by a failure: it may hold the only copy of its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from deltalake.transaction import RemoveAction

from pipeline.errors import LakeError
from pipeline.io.delta.commit import CommitRefused
from pipeline.io.delta.errors import lake_faults
from pipeline.io.lake.orphans import writer_of
from pipeline.io.lake.snapshot import take_snapshot
from pipeline.io.lake.staging import StagedFile, Staging, add_action
from pipeline.io.lake.storage import StoredFile
from pipeline.io.lake.table import ATTEMPTS, StoredTable


@dataclass(frozen=True, slots=True)
class RestrictedTable(StoredTable):
    """The table at `<lake>/restricted/<event>`; used by one job at a time."""

    def staging(self) -> Staging:
        """Return a place for a day's new file; the table exists from now on."""
        self.log.ensure()
        return super(RestrictedTable, self).staging()

    def unnamed(self) -> tuple[StoredFile, ...]:
        """Return our files that no commit names: a decided one, or rubbish."""
        named = {file.path for file in self.snapshot().files}
        with lake_faults("The restricted rows could not be listed", self.log.uri):
            listed = tuple(self.storage.files())
        return tuple(found for found in listed if found.path not in named and writer_of(found.path))

    def as_staged(self, found: StoredFile) -> StagedFile:
        """Return a file that a crash left as what it was before the crash."""
        folder, _, name = found.path.rpartition("/")
        path = f"{folder}/{name.removeprefix('.').removesuffix('.tmp')}"
        with lake_faults("Decided rows could not be read", self.log.uri):
            rows = self.storage.open_part(found.path).metadata.num_rows
        day = date.fromisoformat(folder.partition("=")[2])
        return StagedFile(path, self.storage.hidden(path), day, rows, found.size)

    def replace_day(self, file: StagedFile) -> None:
        """Commit a decided file in place of all others of its day; it is never removed here.

        Raises LakeError or EnvironmentProblem; the file is then still there, to be decided again.
        """
        for _ in range(ATTEMPTS):
            table = self.log.ensure()
            old = take_snapshot(table, "", self.log.partition).by_day().get(file.day, ())
            now = self.writer.clock.wall()
            values: dict[str, str | None] = {self.log.partition: file.day.isoformat()}
            removals = [
                RemoveAction(one.path, True, int(now * 1000), one.size, values) for one in old
            ]
            actions = [add_action(file, self.log.partition, now)] if file.rows else []
            self._reveal(file)
            account = {"job": "restricted", "rows": file.rows}
            try:
                self.log.commit(table, [*removals, *actions], {}, account)
            except CommitRefused:
                continue
            self.vacuum()
            if not file.rows:
                self.remove_unnamed([file.path])
            return
        raise LakeError(
            "Restricted rows could not be committed",
            where=self.log.uri,
            why="other writers were faster every time",
            remedy="Run again: what was decided is on record.",
        )

    def _reveal(self, file: StagedFile) -> None:
        """Give a decided file its final name, unless it already has it."""
        with lake_faults("Decided rows could not be revealed", self.log.uri):
            try:
                self.storage.reveal([(file.hidden, file.path)])
            except FileNotFoundError:
                self.storage.size(file.path)
