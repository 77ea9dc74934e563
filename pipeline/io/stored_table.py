"""What every table of the lake can do: be read as files, take commits, be rewritten, be cleaned.

A commit is made in an order that leaves nothing doubtful: files are staged and durable, they are
revealed, the log names them. Up to the call of the log every failure removes them. From then on
only the log knows, so it is asked before anything is removed; an interrupt in that instant leaves
the files for recovery, which asks the log as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import RewriteConflict, TelemetryError
from pipeline.io.deltalog import CommitRecord, CommitRefused, DeltaLog
from pipeline.io.encryption import label_of
from pipeline.io.lake_faults import lake_faults
from pipeline.io.orphans import Leftovers, is_revealed, of_dead, remove, sort_leftovers
from pipeline.io.snapshot import EMPTY, PartFile, Snapshot, take_snapshot
from pipeline.io.staging import Staging
from pipeline.io.storage import Found, Storage
from pipeline.io.writer import Writer

ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit added."""

    files: int
    rows: int
    bytes: int
    version: int


@dataclass(frozen=True, slots=True)
class StoredTable:
    """One Delta table, partitioned by a date."""

    log: DeltaLog
    storage: Storage = field(repr=False)
    writer: Writer = field(repr=False)

    def snapshot(self) -> Snapshot:
        """Return the files that make up the table now; empty if it was not created yet."""
        table = self.log.load()
        return EMPTY if table is None else take_snapshot(table, self.log.uri, self.log.partition)

    def dataset(self, paths: Sequence[str]) -> pads.Dataset | None:
        """Return files of the table as one dataset, for readers that cannot open them.

        None for plain files on a disk, which any reader opens. Raises KeyUnavailable.
        """
        if self.log.local and not any(map(label_of, paths)):
            return None
        return self.storage.dataset(paths, self.log.schema, self.log.partition)

    def history(self) -> tuple[CommitRecord, ...]:
        """Return the commits that the log still holds, oldest first."""
        return self.log.history()

    def staging(self) -> Staging:
        """Return a place to write files that `rewrite` will commit.

        An object store has no hidden names, so there the log is begun before the first file:
        files without a log would look like those of a table whose log was lost.
        """
        if not self.log.local and self.log.uri not in self.writer.begun:
            self.log.ensure()
            self.writer.begun.add(self.log.uri)
        return Staging(
            self.storage, self.log.uri, self.log.partition, self.writer.name, self.writer.clock
        )

    def rewrite(
        self,
        removed: Sequence[PartFile],
        staging: Staging | None = None,
        *,
        metadata: Mapping[str, object],
        positions: Mapping[str, int] | None = None,
    ) -> Committed:
        """Take files out of the table and put staged ones in, in one commit.

        `metadata` says why, for the log: counts and names of jobs, never tokens; `positions` are
        committed with it, for jobs that have to know whether it was. Appends to the
        same days do not disturb it. Raises RewriteConflict if one of the files is not in the
        table any more; nothing has changed then and the staged files are gone. The removed files
        stay on the disk until `vacuum`.
        """
        staging = staging or self.staging()
        now_ms = int(self.writer.clock.wall() * 1000)
        removals = [
            RemoveAction(
                file.path, True, now_ms, file.size, {self.log.partition: file.day.isoformat()}
            )
            for file in removed
        ]

        def load() -> DeltaTable:
            table = self.log.ensure()
            named = {file.path for file in take_snapshot(table, "", self.log.partition).files}
            if not named.issuperset(file.path for file in removed):
                raise self._rewritten_by_another()
            return table

        try:
            return self.land(load, staging, positions or {}, metadata, removals=removals)
        except CommitRefused:
            raise self._rewritten_by_another() from None

    def vacuum(self) -> tuple[str, ...]:
        """Delete the files that commits took out of the table; return their paths.

        Only files that the log tombstoned are touched: what another writer has staged stays.
        """
        table = self.log.load()
        if table is None:
            return ()
        there = {found.path for found in self._listed()}
        with lake_faults("Removed files could not be deleted", self.log.uri):
            # delta-rs only names them: its own deletion also commits to the log, and fails when
            # another job removes files at the same time.
            tombstoned = table.vacuum(
                retention_hours=0, dry_run=True, enforce_retention_duration=False, full=False
            )
            # It names files that are gone as well, and some of them by absolute paths.
            named = {path.removeprefix(f"{self.log.uri}/") for path in tombstoned}
            doomed = sorted(named & there)
            for path in doomed:
                self.storage.delete(path)
        return tuple(doomed)

    def leftovers(self) -> Leftovers:
        """Return the files that no commit names, told apart. Nothing is removed."""
        listed, named = self._listed_and_named()
        alive, now = self.writer.others_alive(), self.writer.clock.wall()
        return sort_leftovers(listed, named, alive, now)

    def remove_unnamed(self, paths: Iterable[str]) -> None:
        """Delete files that no commit names, and the folders of days that are empty then."""
        folders = set()
        with lake_faults("A leftover file could not be removed", self.log.uri):
            for path in paths:
                self.storage.delete(path)
                folders.add(path.rpartition("/")[0])
            for folder in folders:
                self.storage.remove_empty_folder(folder)

    def store_clock(self) -> float:
        """Return the store's own time, in seconds since 1970."""
        with lake_faults("The lake's clock could not be read", self.log.uri):
            return self.storage.clock()

    def sweep(self) -> int:
        """Remove orphans that are older than an hour; return how many."""
        return self._clear(self.leftovers().orphans)

    def remove_files_of(self, dead: frozenset[str]) -> int:
        """Remove what dead writers left uncommitted; return how many files."""
        if not dead:
            return 0
        return self._clear(of_dead(*self._listed_and_named(), dead))

    def land(
        self,
        load: Callable[[], DeltaTable],
        staging: Staging,
        positions: Mapping[str, int],
        account: Mapping[str, object],
        *,
        removals: Sequence[RemoveAction] = (),
        companion: Staging | None = None,
    ) -> Committed:
        """Reveal staged files and commit them; the shared last step of every kind of commit.

        `load` returns the table as it stands now, or raises if the commit may not be made on top
        of it. delta-rs refuses an append also when a rewrite of other files came in between, so a
        refused commit is tried again for as long as `load` agrees. `companion` holds files that
        share the fate of these: their age counts too, and they are removed with them.

        Raises what `load` raises, CommitRefused, SliceExpired, LakeError or EnvironmentProblem;
        the staged files are gone then.
        """
        together = [staging, companion] if companion else [staging]
        certain = self.writer.leftovers
        for _ in range(ATTEMPTS):
            try:
                table = self.log.look(load)
                for part in together:
                    part.check_age()
                staging.reveal()
            except BaseException:
                _discard(together)
                raise
            # An interrupt in here leaves the files, for recovery to ask the log about.
            self.writer.leftovers = True
            actions: list[AddAction | RemoveAction] = [*removals, *staging.actions()]
            try:
                self.log.commit(table, actions, positions, account)
            except CommitRefused:
                self.writer.leftovers = certain
                continue
            except TelemetryError:
                if not self.log.took(actions, positions):
                    # A request to an object store that timed out may still arrive: the sweep,
                    # not we, removes its files.
                    if self.log.local:
                        self.writer.leftovers = certain
                        _discard(together)
                    raise
            self.writer.leftovers = certain
            return Committed(
                files=len(staging.files),
                rows=sum(file.rows for file in staging.files),
                bytes=sum(file.size for file in staging.files),
                version=self.log.settle(table),
            )
        _discard(together)
        raise CommitRefused

    def _clear(self, files: Iterable[Found]) -> int:
        return remove(self.storage, files, self.log.uri)

    def _listed_and_named(self) -> tuple[tuple[Found, ...], frozenset[str]]:
        """Return all files, and those that commits name: listed first, see `orphans`.

        Without a log only hidden files are returned: others mean that the log was lost.
        """
        listed = self._listed()
        table = self.log.load()
        if table is None:
            return tuple(found for found in listed if not is_revealed(found.path)), frozenset()
        snapshot = take_snapshot(table, self.log.uri, self.log.partition)
        return listed, frozenset(file.path for file in snapshot.files)

    def _listed(self) -> tuple[Found, ...]:
        with lake_faults("The lake's files could not be listed", self.log.uri):
            return tuple(self.storage.files())

    def _rewritten_by_another(self) -> RewriteConflict:
        return RewriteConflict(
            "Another job rewrote or removed the same files",
            where=self.log.uri,
            remedy="Nothing was changed. Look at the table again and repeat.",
        )


def _discard(parts: Iterable[Staging]) -> None:
    for part in parts:
        part.discard()
