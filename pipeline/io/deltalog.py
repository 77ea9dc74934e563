"""The log of one Delta Lake table: create, load, commit; every delta-rs call of the lake is here.

delta-rs brings atomic commits, and refuses two concurrent commits of one application id or of
the same removed file. It does not refuse a commit that lowers an application's version, and it
does not compare schemas: both comparisons are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import LakeError
from pipeline.io.lake_faults import lake_faults, lake_problem
from pipeline.io.locks import sync_file, sync_folder
from pipeline.io.orphans import is_revealed
from pipeline.io.storage import LOG_FOLDER, storage_at

CHECKPOINT_EVERY = 50
PROPERTIES: Mapping[str, str | None] = {
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.logRetentionDuration": "interval 2 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
}
"""No column statistics in the log. A commit lists the log folder, 4 us a file, so the log stays
short: two days, for a daily job to read the whole account of the day before. A vacuum tries every
tombstone again, so they stay one day; what it misses then is an orphan."""

METADATA_KEY = "telemetry"
"""Where in a commit's information the account of its messages is kept."""

LOOKS = 5
"""How often a log is read that others clean at the same time."""

T = TypeVar("T")


class CommitRefused(Exception):
    """Another commit came in between; nothing of this one was committed. Stays in this room."""


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One entry of the log; `account` is empty for commits that are not a slice's."""

    version: int
    at_ms: int
    operation: str
    account: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeltaLog:
    """The log of the table at `uri`, partitioned by one date column."""

    uri: str
    options: Mapping[str, str] = field(repr=False)
    schema: pa.Schema = field(repr=False)
    partition: str
    name: str

    @property
    def local(self) -> bool:
        """Whether the table is a folder of this machine."""
        return "://" not in self.uri

    def load(self) -> DeltaTable | None:
        """Return the table as its log stands now, or None if it was not created yet.

        What is asked of it later is read later: do both in one `look`.
        """
        return self.look(self._load)

    def look(self, read: Callable[[], T]) -> T:
        """Return what `read` finds in the log, which it has to load itself.

        delta-rs reads versions and history only when they are asked for. Another process may
        write a checkpoint and delete the entries before it at any time; then everything is read
        anew, from the log as it stands by now.
        """
        with lake_faults("The lake's log could not be read", self.uri):
            for _ in range(LOOKS - 1):
                try:
                    return read()
                except (DeltaError, FileNotFoundError) as error:
                    # delta-rs has no class of its own for an object that is gone while it reads.
                    if not isinstance(error, FileNotFoundError) and "not found" not in str(error):
                        raise
            return read()

    def version_of(self, app_id: str) -> int | None:
        """Return what was last committed under an application id, as of now."""

        def read() -> int | None:
            table = self._load()
            return None if table is None else table.transaction_version(app_id)

        return self.look(read)

    def ensure(self) -> DeltaTable:
        """Return the table as it stands now; create it, or add new columns, if needed.

        Safe when several processes do so at once: one succeeds, the others find it done.
        """
        table = self.load()
        if table is None:
            table = self._create()
        known = {field.name: field for field in table.schema().fields}
        wanted = Schema.from_arrow(self.schema).fields
        new = [field for field in wanted if field.name not in known]
        if new:
            with lake_faults("The lake's table could not be given its new columns", self.uri):
                table.alter.add_columns(new)
            return self.ensure()
        changed = [field.name for field in wanted if known[field.name].type != field.type]
        if changed:
            raise LakeError(
                "A column of the lake's table has another type than its schema says",
                where=f"{self.uri}, {', '.join(changed)}",
                remedy="Columns never change their type: run the version that wrote this lake, "
                "or use another lake.",
            )
        return table

    def commit(
        self,
        table: DeltaTable,
        actions: Sequence[AddAction | RemoveAction],
        positions: Mapping[str, int],
        account: Mapping[str, object],
    ) -> None:
        """Commit `actions` and `positions` in one step, on top of the version that was loaded.

        Raises CommitRefused if another commit since then has one of the same application ids, or
        removed one of the same files. After any other failure of the storage (LakeError,
        EnvironmentProblem) the commit may have been made: `took` tells.
        """
        due = (table.version() + 1) % CHECKPOINT_EVERY == 0
        try:
            table.create_write_transaction(
                list(actions),
                mode="append",
                schema=self.schema,
                partition_by=[self.partition],
                commit_properties=CommitProperties(
                    custom_metadata={METADATA_KEY: dict(account)},
                    app_transactions=[Transaction(*item) for item in positions.items()],
                ),
                # Cleaning lists the whole log, so it is done with the checkpoint only.
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=due),
            )
        except CommitFailedError:
            raise CommitRefused from None
        except FileNotFoundError:
            # Another process wrote a checkpoint and cleaned away what delta-rs was looking at,
            # before this commit or just after it.
            if not self.took(actions, positions):
                raise CommitRefused from None
        except (DeltaError, OSError) as error:
            raise lake_problem(error, "The lake did not take a commit", self.uri) from None

    def settle(self, table: DeltaTable) -> int:
        """Make the entry of a commit just made durable, and return its version.

        The commit stands whatever happens here, so failures are passed over: the next use of the
        log will meet them.
        """
        version = table.version() + 1
        with suppress(DeltaError, OSError):
            table.update_incremental()
            version = table.version()
            if self.local:
                folder = Path(self.uri) / LOG_FOLDER
                for path in folder.glob(f"{version:020d}*"):
                    sync_file(path)
                sync_folder(folder)
        return version

    def took(
        self, actions: Sequence[AddAction | RemoveAction], positions: Mapping[str, int]
    ) -> bool:
        """Whether the log, loaded anew, shows what a commit was to do."""
        if not actions:
            return bool(positions) and all(
                self.version_of(app_id) == to for app_id, to in positions.items()
            )
        table = self.load()
        if table is None:
            return False
        named = set(pa.table(table.get_add_actions())["path"].to_pylist())
        return all((action.path in named) == isinstance(action, AddAction) for action in actions)

    def shorten(self) -> None:
        """Write a checkpoint and delete log entries that are older than the log is kept."""
        table = self.load()
        if table is not None:
            with lake_faults("The lake's log could not be shortened", self.uri):
                table.create_checkpoint()
                table.cleanup_metadata()

    def history(self) -> tuple[CommitRecord, ...]:
        """Return the commits that the log still holds (at least two days), oldest first."""
        return self.history_since(0)[1]

    def history_since(self, version: int) -> tuple[int, tuple[CommitRecord, ...]]:
        """Return the log's version, and its commits from `version` on, oldest first.

        The version is -1 before the table is created.
        """

        def read() -> tuple[int, list[dict[str, Any]]]:
            table = self._load()
            if table is None:
                return -1, []
            return table.version(), table.history(max(table.version() - version + 1, 1))

        newest, entries = self.look(read)
        return newest, tuple(
            CommitRecord(
                version=entry["version"],
                at_ms=entry["timestamp"],
                operation=entry["operation"],
                account=entry.get(METADATA_KEY, {}),
            )
            for entry in reversed(entries)
            if entry["version"] >= version
        )

    def _load(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.uri, storage_options=dict(self.options))
        except TableNotFoundError:
            self._check_access()
            return None

    def _create(self) -> DeltaTable:
        self._check_no_data()
        if self.local:
            with lake_faults("The lake's folder could not be made", self.uri):
                Path(self.uri).mkdir(parents=True, exist_ok=True)
        try:
            return DeltaTable.create(
                self.uri,
                self.schema,
                mode="error",
                partition_by=[self.partition],
                name=self.name,
                configuration=PROPERTIES,
                storage_options=dict(self.options),
            )
        except (DeltaError, OSError) as error:
            table = self.load()
            if table is None:
                raise lake_problem(
                    error, "The lake's table could not be created", self.uri
                ) from None
            return table

    def _check_access(self) -> None:
        """Raise OSError if a folder cannot be entered: delta-rs calls that a missing table."""
        if self.local:
            with suppress(FileNotFoundError):
                next((Path(self.uri) / LOG_FOLDER).iterdir(), None)

    def _check_no_data(self) -> None:
        """Refuse to begin a new log beside committed files: every one of them would be rubbish."""
        with lake_faults("The lake's files could not be listed", self.uri):
            files = storage_at(self.uri, dict(self.options)).files()
            found = any(is_revealed(file.path) for file in files)
        if found:
            raise LakeError(
                "The lake's log is gone while its files are there",
                where=f"{self.uri}/{LOG_FOLDER}",
                remedy="Restore the log from its backup, or move the whole table away to start "
                "a new one.",
            )
