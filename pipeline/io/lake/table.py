"""What every table of the lake can do: be read as files, take commits, be rewritten, be cleaned.

A commit is made in an order that leaves nothing in doubt: files are staged and durable, they are
revealed, the log names them. Up to the call to the log, every failure removes them. From then on
they belong to the log (`Staging.hand_over`), and nobody can remove them until it was asked and has
said that it does not name them; recovery and the sweep ask it as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import LakeError, OutcomeUnknown, RewriteConflict, TelemetryError
from pipeline.io.delta.commit import CommitRefused
from pipeline.io.delta.entry import CommitRecord
from pipeline.io.delta.errors import lake_faults
from pipeline.io.delta.standing import LogState
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.orphans import Leftovers, is_revealed, of_dead, remove, sort_leftovers
from pipeline.io.lake.snapshot import EMPTY, PartFile, Snapshot, take_snapshot
from pipeline.io.lake.staging import Staging
from pipeline.io.lake.storage import Storage, StoredFile
from pipeline.io.lake.writer import Writer
from pipeline.io.parquet.encryption import label_of

ATTEMPTS = 50
"""How often a commit is tried: each try is for one version, and other writers may be faster."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit added."""

    files: int
    rows: int
    bytes: int
    version: int
    commit_ns: int
    """How many nanoseconds went into the log entry, out of the whole."""


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
        """Return files of the table as one dataset, for readers that cannot open the files.

        None for plain files on a disk, which any reader opens. Raises KeyUnavailable.
        """
        if self.log.local and not any(map(label_of, paths)):
            return None
        return self.storage.dataset(paths, self.log.schema, self.log.partition)

    def history(self) -> tuple[CommitRecord, ...]:
        """Return the commits that the log still holds, oldest first."""
        return self.log.history()

    def history_since(self, version: int) -> tuple[int, tuple[CommitRecord, ...]]:
        """Return the log's version (-1: no log) and its commits from `version` on, oldest first."""
        return self.log.history_since(version)

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
        companion: Staging | None = None,
    ) -> Committed:
        """Take files out of the table and put staged ones in, in one commit.

        `metadata` tells the log why: counts and names of jobs, never tokens; `positions` are
        committed with it, for jobs that have to know whether it was; see `land` for `companion`.
        Appends to the same days do not disturb it. Raises RewriteConflict if one of the files is
        no longer in the table; nothing has changed then and the staged files are gone. The
        removed files stay on the disk until `vacuum`.
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
            return self.land(
                load,
                staging,
                positions or {},
                metadata,
                removals=removals,
                companion=companion,
            )
        except CommitRefused:
            raise self._rewritten_by_another() from None

    def vacuum(self) -> tuple[str, ...]:
        """Delete the files that commits took out of the table; return their paths.

        Only files that the log tombstoned are touched: what another writer has staged stays.
        """
        table = self.log.load_anew()
        if table is None:
            return ()
        self.log.make_durable(table.version())
        there = {found.path for found in self._listed()}
        with lake_faults("Removed files could not be deleted", self.log.uri):
            # delta-rs only names them: its own deletion also commits to the log, and fails when
            # another job removes files at the same time.
            tombstoned = table.vacuum(
                retention_hours=0, dry_run=True, enforce_retention_duration=False, full=False
            )
            # It also names files that are gone, and some of them by absolute paths.
            named = {path.removeprefix(f"{self.log.uri}/") for path in tombstoned}
            doomed = sorted(named & there)
            for path in doomed:
                self.storage.delete(path)
        return tuple(doomed)

    def leftovers(self) -> Leftovers:
        """Return the files that no commit names, told apart. Nothing is removed."""
        listed, named = self._listed_and_named()
        return sort_leftovers(listed, named, self.writer.others_alive(), self.store_clock)

    def missing(self) -> tuple[str, ...]:
        """Name the files that the log names and that are not there: their rows are lost.

        A file that another job takes out of the table meanwhile is not among them.
        """
        named = {file.path for file in self.snapshot().files}
        gone = named - {found.path for found in self._listed()}
        if gone:
            gone &= {file.path for file in self.snapshot().files}
        return tuple(sorted(gone))

    def remove_unnamed(self, paths: Iterable[str]) -> None:
        """Delete files that no commit names, and the folders of days that this leaves empty."""
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
        load: Callable[[], LogState],
        staging: Staging,
        positions: Mapping[str, int],
        account: Mapping[str, object],
        *,
        removals: Sequence[RemoveAction] = (),
        companion: Staging | None = None,
    ) -> Committed:
        """Reveal staged files and commit them; the shared last step of every kind of commit.

        `load` returns the table as it stands now, or raises if the commit may not be made on top
        of it. delta-rs refuses an append even when a rewrite of other files came in between, so a
        refused commit is tried again for as long as `load` agrees. `companion` holds files that
        share the fate of these: their age counts too, and they are removed with them.

        Raises what `load` raises, CommitRefused, SliceExpired, LakeError or EnvironmentProblem;
        the staged files are gone then. Raises OutcomeUnknown if the commit may have been made; then
        they stay until somebody asks the log later.
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
            # From here on the log alone knows: nobody can remove the files before it was asked,
            # and an interrupt leaves them for recovery.
            self.writer.leftovers = True
            for part in together:
                part.hand_over()
            actions: list[AddAction | RemoveAction] = [*removals, *staging.actions()]
            began = time.monotonic_ns()
            try:
                version = self.log.commit(table, actions, positions, account)
            except CommitRefused:
                self._take_back(together, certain)
                continue
            except OutcomeUnknown:
                raise
            except TelemetryError:
                self._take_back(together, certain)
                _discard(together)
                raise
            self.writer.leftovers = certain
            return Committed(
                files=len(staging.files),
                rows=sum(file.rows for file in staging.files),
                bytes=sum(file.size for file in staging.files),
                version=version,
                commit_ns=time.monotonic_ns() - began,
            )
        _discard(together)
        raise CommitRefused

    def mark(self, numbers: Mapping[str, int], account: Mapping[str, object]) -> None:
        """Have the log carry these numbers, whatever it carried before; do nothing if it does.

        Raises LakeError or EnvironmentProblem.
        """
        for _ in range(ATTEMPTS):
            table = self.log.load()
            if table is None:
                return
            if all(table.transaction_version(name) == one for name, one in numbers.items()):
                return
            with suppress(CommitRefused):
                self.log.mark(table, numbers, account)
        raise LakeError(
            "The table's log could not be marked",
            where=self.log.uri,
            why="other writers were faster every time",
            remedy="Run again.",
        )

    def _take_back(self, parts: Iterable[Staging], leftovers: bool) -> None:
        """Own staged files again: the log was asked, and can no longer name them."""
        self.writer.leftovers = leftovers
        for part in parts:
            part.take_back()

    def _clear(self, files: Iterable[StoredFile]) -> int:
        return remove(self.storage, files, self.log.uri)

    def _listed_and_named(self) -> tuple[tuple[StoredFile, ...], frozenset[str]]:
        """Return all files, and those that commits name: listed first, see `orphans`.

        Without a log only hidden files are returned: others mean that the log was lost.
        """
        listed = self._listed()
        table = self.log.load()
        if table is None:
            return tuple(found for found in listed if not is_revealed(found.path)), frozenset()
        snapshot = take_snapshot(table, self.log.uri, self.log.partition)
        return listed, frozenset(file.path for file in snapshot.files)

    def _listed(self) -> tuple[StoredFile, ...]:
        with lake_faults("The lake's files could not be listed", self.log.uri):
            return tuple(self.storage.files())

    def _rewritten_by_another(self) -> RewriteConflict:
        return RewriteConflict(
            "Another job rewrote or removed the same files",
            where=self.log.uri,
            remedy="Nothing was changed. Look at the table again, then run again.",
        )


def _discard(parts: Iterable[Staging]) -> None:
    for part in parts:
        part.discard()
