"""The log of one Delta Lake table: create, load, commit; every delta-rs call of the lake is here.

delta-rs brings atomic commits and refuses two concurrent commits of one application id. It does
not refuse a commit that lowers an application's version: that comparison is `lake`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import LakeError, PositionConflict
from pipeline.io.faults import lake_faults, lake_problem
from pipeline.io.locks import sync_folder
from pipeline.io.storage import LOG_FOLDER

PROPERTIES: Mapping[str, str | None] = {
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.enableExpiredLogCleanup": "true",
    "delta.checkpointInterval": "50",
}
"""No column statistics in the log; a short log; tombstones last until a vacuum after a rewrite."""

METADATA_KEY = "telemetry"
"""Where in a commit's information the account of its messages is kept."""


@dataclass(frozen=True, slots=True)
class DeltaLog:
    """The log of the table at `uri`."""

    uri: str
    options: Mapping[str, str]
    schema: pa.Schema
    partition: str
    name: str

    def load(self) -> DeltaTable | None:
        """Return the table as its log stands now, or None if it was not created yet."""
        with lake_faults("The lake's log could not be read", self.uri):
            try:
                return DeltaTable(self.uri, storage_options=dict(self.options))
            except TableNotFoundError:
                return None

    def ensure(self) -> DeltaTable:
        """Return the table as it stands now; create it first if needed.

        Safe when several processes create it at once: one succeeds, the others find it.
        """
        table = self.load()
        if table is not None:
            return table
        if "://" not in self.uri:
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

    def commit(
        self,
        table: DeltaTable,
        actions: Sequence[AddAction | RemoveAction],
        positions: Mapping[str, int],
        account: Mapping[str, object],
    ) -> int:
        """Commit `actions` and `positions` in one step, on top of the version that was loaded.

        Returns the table's version after the commit. Raises PositionConflict if another writer
        got in between with the same application id, or rewrote the same files.
        """
        properties = CommitProperties(
            custom_metadata={METADATA_KEY: dict(account)},
            app_transactions=[Transaction(name, version) for name, version in positions.items()],
        )
        try:
            table.create_write_transaction(
                list(actions),
                mode="append",
                schema=self.schema,
                partition_by=[self.partition],
                commit_properties=properties,
            )
        except CommitFailedError:
            raise self.conflict() from None
        except (DeltaError, OSError) as error:
            raise lake_problem(error, "The lake did not take a commit", self.uri) from None
        with lake_faults("The lake's log could not be read", self.uri):
            table.update_incremental()
            if "://" not in self.uri:
                sync_folder_of_log(self.uri)
        return table.version()

    def conflict(self) -> LakeError:
        """Return the error for a commit that another writer's commit made impossible."""
        return PositionConflict(
            "Another writer moved the position",
            where=self.uri,
            remedy="The slice was thrown away and is read again from where the lake stands.",
        )


def sync_folder_of_log(uri: str) -> None:
    """Make the newest log entries of a local table durable."""
    sync_folder(Path(uri) / LOG_FOLDER)
