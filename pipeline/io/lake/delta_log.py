"""The log of one Delta Lake table: load, commit, shorten; `creation` begins it.

delta-rs provides atomic commits, and refuses two concurrent commits of one application id or of
the same removed file. It compares neither an application's versions nor schemas: we do both.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import OutcomeUnknown, TelemetryError
from pipeline.io.delta.commit import Target, commit
from pipeline.io.delta.creation import (
    CHECKPOINT_EVERY,
    add_columns,
    create,
    new_columns,
    refuse_changed_types,
    refuse_without_log,
)
from pipeline.io.delta.durable import Durable
from pipeline.io.delta.entry import METADATA_KEY, CommitRecord, without_our_words
from pipeline.io.delta.errors import changed_meanwhile, lake_faults
from pipeline.io.delta.held import HeldTables
from pipeline.io.delta.known_tables import KnownTables
from pipeline.io.delta.log_files import LOG_FOLDER, log_files, require_entrance
from pipeline.io.delta.repair import inspect, refuse, repair
from pipeline.io.delta.standing import KnownLogs, LogState
from pipeline.io.disk.locks import locked_folder
from pipeline.io.keys.installation import Installation
from pipeline.io.lake.orphans import is_revealed
from pipeline.io.lake.storage import storage_at

LOG = logging.getLogger(__name__)

LOOKS = 5
"""How often to try reading a log that others clean at the same time."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeltaLog:
    """The log of the table at `uri`, partitioned by one date column."""

    uri: str
    options: Mapping[str, str] = field(repr=False)
    schema: pa.Schema = field(repr=False)
    partition: str
    name: str
    durable: Durable = field(default_factory=Durable, repr=False)
    """What this process has synced; tables of one lake share it."""
    installation: Installation | None = field(default=None, repr=False)
    """Whose keys the rows are written with; None for tables without rows of people."""
    held: HeldTables | None = field(default=None, repr=False)
    known: KnownTables | None = field(default=None, repr=False)
    """Which tables exist, whatever the lake says now; None without a state folder."""
    standings: KnownLogs = field(default_factory=KnownLogs, repr=False)
    """What this process has read; tables of one lake share it as well."""

    @property
    def folder(self) -> Path:
        """The folder of a local log."""
        return Path(self.uri) / LOG_FOLDER

    @property
    def local(self) -> bool:
        """Whether the table is a folder of this machine."""
        return "://" not in self.uri

    def load(self) -> DeltaTable | None:
        """Return the table as its log stands now, or None if it was not created yet.

        What is asked of it later is read later: do both in one `look`. A held one stays as it was.
        Nobody may change it: others get the same object for as long as the log does not move.
        Raises TableGone if the state folder knows the table but it is no longer there.
        """
        return (self.held or HeldTables()).get(self.uri, lambda: self.look(self._current))

    def load_anew(self) -> DeltaTable | None:
        """Return the table for its reader alone; see `load`."""
        return self.look(self._load)

    def look(self, read: Callable[[], T]) -> T:
        """Return what `read` finds in the log, which it has to load itself.

        delta-rs reads versions and history only when they are asked for. Another process may
        write a checkpoint and delete the entries before it at any time, or write entries while
        they are listed; then everything is read again, from the log as it stands by then.
        """
        with lake_faults("The lake's log could not be read", self.uri):
            for _ in range(LOOKS - 1):
                try:
                    return read()
                except (DeltaError, FileNotFoundError) as error:
                    self.standings.forget(self.uri)
                    if not isinstance(error, FileNotFoundError) and not changed_meanwhile(error):
                        raise
            return read()

    def version_of(self, app_id: str) -> int | None:
        """Return what was last committed under an application id, as of now."""
        return self.versions_of([app_id])[0]

    def versions_of(self, app_ids: Sequence[str]) -> list[int | None]:
        """Return what was last committed under several application ids, as of one moment."""

        def read() -> list[int | None]:
            found = self._standing()
            if found is None:
                return [None] * len(app_ids)
            return [found.transaction_version(app_id) for app_id in app_ids]

        return self.look(read)

    def ensure(self) -> DeltaTable:
        """Return the table as it stands now; create it, or add new columns, if needed.

        Safe when several processes do so at once: one succeeds, the others find it done.
        """
        table = self.load()
        if table is None:
            table = create(self._target, self.name, self.load, self._paths)
        new = new_columns(self._target, table)
        if new:
            add_columns(self._target, self.load_anew() or table, new, self.load)
            self.standings.forget(self.uri)
            return self.ensure()
        # What is built on this version must not outlive it.
        self.make_durable(table.version())
        self.note()
        refuse_changed_types(self._target, table)
        return table

    def ready(self) -> LogState:
        """Return what a commit of new files needs from the table; see `ensure` for what is done.

        What was found to be in order is not checked again until an entry changes it.
        """
        if not self.local:
            return self.ensure()
        known = self.standings.follow(self.uri)
        if known is None or not self.standings.fits(self.uri, self.schema):
            table = self.ensure()
            self.standings.note_fit(self.uri, table, self.schema)
            known = self.standings.follow(self.uri)
            if known is None or not self.standings.fits(self.uri, self.schema):
                return table
        self.make_durable(known.version())
        self.note()
        return known

    def note(self) -> None:
        """Remember in the state folder that the table exists. Raises EnvironmentProblem."""
        if self.known is not None:
            self.known.note(self.uri)

    def commit(
        self,
        table: LogState,
        actions: Sequence[AddAction | RemoveAction],
        positions: Mapping[str, int],
        account: Mapping[str, object],
    ) -> int:
        """Commit `actions` and `positions` as the version after the one that was loaded.

        Returns that version, durable. Raises CommitRefused if another commit has it; LakeError
        or EnvironmentProblem if the log was asked and the commit cannot have been made; and
        OutcomeUnknown if it may have been: then nothing that it names may be removed.
        """
        positions = {**positions, **self._marks(table, actions)}
        durable = self.durable.known(self.folder) if self.local else table.version()
        version = commit(self._target, table, actions, positions, account, durable)
        self.make_durable(version)
        every = CHECKPOINT_EVERY
        if version % every == 0 and version % (every * self.standings.weight(self.uri)) == 0:
            try:
                self.shorten()
            except TelemetryError as error:
                # The commit stands without it; the next one that is due tries again.
                LOG.warning("%s: no checkpoint was written: %s", self.uri, type(error).__name__)
        return version

    def mark(
        self, table: DeltaTable, numbers: Mapping[str, int], account: Mapping[str, object]
    ) -> None:
        """Commit only numbers, on top of the version that was loaded, whatever they were before.

        Raises as `commit` does.
        """
        own = pa.schema(table.schema().to_arrow())
        replace(self, installation=None, schema=own).commit(table, [], numbers, account)

    def make_durable(self, version: int) -> None:
        """Sync the log up to a version; raises OutcomeUnknown if the disk does not confirm it."""
        if not self.local:
            return
        try:
            self.durable.make(self.folder, version)
        except OSError as error:
            raise OutcomeUnknown(
                "The disk did not confirm that the lake's log is on it",
                where=self.uri,
                why=f"it answered {errno.errorcode.get(error.errno or 0, 'an error')}",
                remedy="Nothing was removed. Check the disk before anything else; then run again: "
                "the log decides what is stored.",
            ) from None

    def shorten(self) -> None:
        """Write a checkpoint, and delete entries before it that are older than the log is kept."""
        table = self.load_anew()
        if table is not None:
            with lake_faults("The lake's log could not be shortened", self.uri):
                self.make_durable(table.version())
                table.create_checkpoint()
                if self.local:
                    self.durable.make_checkpoint(self.folder)
                table.cleanup_metadata()
            # A new one: this one's version would be read from entries that may be gone by now.
            self.standings.forget(self.uri)

    def history(self) -> tuple[CommitRecord, ...]:
        """Return the commits that the log still holds (at least two days), oldest first."""
        return self.history_since(0)[1]

    def history_since(self, version: int) -> tuple[int, tuple[CommitRecord, ...]]:
        """Return the log's version, and its commits from `version` on, oldest first.

        The version is -1 before the table is created.
        """

        def read() -> tuple[int, list[dict[str, Any]]]:
            table = self.load()
            if table is None:
                return -1, []
            try:
                return table.version(), table.history(max(table.version() - version + 1, 1))
            except (DeltaError, FileNotFoundError):
                if self.held is not None:
                    self.held.forget(self.uri)  # its entries may have been cleaned since
                raise

        newest, entries = self.look(read)
        return newest, tuple(
            CommitRecord(
                version=entry["version"],
                at_ms=entry["timestamp"],
                operation=entry["operation"],
                account=without_our_words(entry.get(METADATA_KEY, {})),
            )
            for entry in reversed(entries)
            if entry["version"] >= version
        )

    def refuse_without_log(self) -> None:
        """Raise LakeError if the folder of a table without a log holds Parquet files."""
        refuse_without_log(self.uri, self._paths)

    def _paths(self) -> list[str]:
        """List the files of the table, whether or not the log names them."""
        return [file.path for file in storage_at(self.uri, dict(self.options)).files()]

    @property
    def _target(self) -> Target:
        return Target(self.uri, self.options, self.schema, self.partition)

    def _marks(
        self, table: LogState, actions: Sequence[AddAction | RemoveAction]
    ) -> Mapping[str, int]:
        """Return what the log must say about the installation with these rows, and does not yet."""
        if self.installation is None:
            return {}
        days = [
            date.fromisoformat(str(action.partition_values[self.partition]))
            for action in actions
            if isinstance(action, AddAction)
        ]
        return self.installation.marks(self.uri, table, days)

    def _load(self) -> DeltaTable | None:
        if self.local and self.folder not in self.durable.inspected:
            if self.folder.is_dir():
                self._repair()
            self.durable.inspected.add(self.folder)
        try:
            return self._at()
        except TableNotFoundError:
            if self.local:
                require_entrance(self.folder)
            if self.known is not None:
                self.known.require_unknown(self.uri)
            return None
        except DeltaError:
            if not self._repair():
                raise
            return self._at()

    def _current(self) -> DeltaTable | None:
        known = self.standings.follow(self.uri) if self.local else None
        if known is not None and known.is_whole:
            return known.table
        table = self._load()
        if table is not None and self.local:
            self.standings.begin(self.uri, table)
        return table

    def _standing(self) -> LogState | None:
        known = self.standings.follow(self.uri) if self.local else None
        return known if known is not None else self._current()

    def _at(self, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri, version=version, storage_options=dict(self.options))

    def _repair(self) -> bool:
        """Set aside what a power cut tore of the log; return whether there was anything.

        Raises LakeError if there is something and nothing may be changed.
        """
        files = log_files(self.uri, self.options)
        if not self.durable.repairs:
            refuse(files, self.uri)
            return False

        def files_at(version: int) -> set[str]:
            return set(pa.table(self._at(version).get_add_actions())["path"].to_pylist())

        def files_there() -> set[str]:
            return set(filter(is_revealed, self._paths()))

        if not self.local:
            return repair(files, self.uri, files_at, files_there)
        if inspect(files).sound:
            return False
        with locked_folder(self.folder):
            return repair(files, self.uri, files_at, files_there)
