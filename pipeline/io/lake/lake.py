"""The lake: one Delta table per event, one for its restricted rows, and one for rejections.

    <root>/events/<event>/event_date=YYYY-MM-DD/part-<writer>-<random>.parquet
    <root>/restricted/<event>/event_date=YYYY-MM-DD/part-<writer>-<random>.parquet
    <root>/rejections/ingest_date=YYYY-MM-DD/part-<writer>-<random>.parquet

Opening a lake creates nothing; tables are created by their first commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from pipeline.errors import LakeError, TableGone
from pipeline.io.delta.durable import Durable
from pipeline.io.delta.errors import lake_faults
from pipeline.io.delta.held import HeldTables
from pipeline.io.delta.known_tables import KnownTables
from pipeline.io.delta.standing import KnownLogs
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import dead_writers, locked, make_private_folder
from pipeline.io.keys.installation import Installation
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.event_table import EVENT_DATE, EventTable
from pipeline.io.lake.publications import RollupStore
from pipeline.io.lake.rejection_table import INGEST_DATE, STORED, Prepared, RejectionTable
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.io.lake.snapshot import take_snapshot
from pipeline.io.lake.staging import MachineClock
from pipeline.io.lake.storage import Storage, storage_at
from pipeline.io.lake.table import StoredTable
from pipeline.io.lake.writer import Writer
from pipeline.io.parquet.encryption import PLAIN, Encryption
from pipeline.io.state_folder import RECOVERY_LOCK, StateFolder

EVENTS, RESTRICTED = "events", "restricted"


class Lake:
    """Tables under one root: a folder, or an `s3://`, `gs://`, `az://` address.

    `storage_options` are delta-rs's, for data and log alike. `state` is the folder in which local
    writers show that they are alive, and which remembers the tables: one that is gone is not
    created again. Without it the leftovers of a crashed writer are removed after an hour instead
    of at the next start. `encryption` says whether files of events are
    written encrypted, and opens those that are; `installation` is written into the logs of tables
    with rows of people, and compared with them at every commit. Without `repairs`, a log that a
    power cut tore is refused where it would be repaired. With `holds`, for readers only, every
    table is loaded once, until `look_again`.
    """

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        state: Path | None = None,
        clock: MachineClock | None = None,
        encryption: Encryption = PLAIN,
        installation: Installation | None = None,
        repairs: bool = True,
        holds: bool = False,
    ) -> None:
        self.installation = installation
        self.encryption = encryption
        self.local = "://" not in root
        self.root = str(Path(root).absolute()) if self.local else root.rstrip("/")
        self._options = dict(storage_options or {})
        places = None if state is None else StateFolder(state)
        self._writers = places.writers if places is not None and self.local else None
        self._known = None if places is None else KnownTables(places.tables, self.root)
        self.writer = Writer(self.root, self._writers, clock or MachineClock())
        self._prepared: dict[tuple[str, str], Prepared] = {}
        self._durable = Durable(repairs=repairs)
        self._standings = KnownLogs()
        self._held = HeldTables() if holds else None

    def rollups(self) -> RollupStore:
        """Return the publications beside the event tables."""
        return RollupStore(self.root, self._options)

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"

    @property
    def options(self) -> Mapping[str, str]:
        """delta-rs's storage options, credentials among them: pass them on, never show them."""
        return self._options

    def look_again(self, path: str | None = None) -> None:
        """Reload the table at `path`, or every table, when it is next asked for."""
        if self._held is not None:
            self._held.forget(None if path is None else f"{self.root}/{path}")

    def files_of(self, path: str) -> Mapping[str, int]:
        """Return the files that the log of the table at `path` names, each with its rows.

        Whatever columns the table has; empty if there is no log. Raises LakeError.
        """
        partition = INGEST_DATE if path == "rejections" else EVENT_DATE
        table = self._log(path, STORED, partition, path).load()
        if table is None:
            return {}
        return {file.path: file.rows for file in take_snapshot(table, "", partition).files}

    def require_tables(self, there: Collection[str]) -> None:
        """Raise TableGone if a table that was noted is not there; `there` were just loaded."""
        for path in self._known.tables() if self._known else ():
            if path not in there:
                self._log(path, STORED, EVENT_DATE, path).load()

    def forget_gone_tables(self) -> tuple[str, ...]:
        """Forget the tables that are no longer there; return their paths in the lake."""
        if self._known is None:
            return ()
        gone: list[str] = []
        for path in self._known.tables():
            try:
                self._log(path, STORED, EVENT_DATE, path).load()
            except TableGone:
                self._known.forget(path)
                gone.append(path)
        return tuple(gone)

    def events(self, event: str, schema: pa.Schema) -> EventTable:
        """Return the table of one event; `schema` holds the stored columns, event_date first."""
        log, storage, writer = self._parts(f"{EVENTS}/{event}", schema, EVENT_DATE, event)
        return EventTable(log, storage, writer, self.rejections())

    def stored_events(self) -> tuple[str, ...]:
        """Name the events that have a table, in alphabetical order."""
        return tuple(name for name in self._event_folders() if self._events_log(name).load())

    def stored(self, event: str) -> EventTable:
        """Return an event's table with the columns that it has, whatever the schemas say today.

        Raises LakeError if the table was not created yet.
        """
        log = self._events_log(event)
        table = log.load()
        if table is None:
            raise LakeError(
                "There is no such table in the lake",
                where=log.uri,
                remedy="`telemetry status` lists the tables; a table appears with its first event.",
            )
        return self.events(event, pa.schema(table.schema().to_arrow()))

    def restricted(self, event: str) -> RestrictedTable:
        """Return the table of an event's restricted rows, with the columns that the event has.

        No view and no aggregate reads it. Raises LakeError if the event has no table yet.
        """
        schema = self.stored(event).log.schema
        return RestrictedTable(*self._parts(f"{RESTRICTED}/{event}", schema, EVENT_DATE, event))

    def restricted_events(self) -> tuple[str, ...]:
        """Name the events whose rows were ever restricted, in alphabetical order."""
        return tuple(
            name for name in self.stored_events() if self.restricted(name).log.load() is not None
        )

    def personal_tables(self) -> tuple[tuple[str, StoredTable], ...]:
        """Return every folder that may hold rows of people, by its path; also one without a log."""
        return tuple(
            (
                f"{place}/{name}",
                StoredTable(*self._parts(f"{place}/{name}", STORED, EVENT_DATE, name)),
            )
            for place in (EVENTS, RESTRICTED)
            for name in self._folders(place)
        )

    def rejections(self) -> RejectionTable:
        """Return the table of messages that were refused."""
        log, storage, writer = self._parts("rejections", STORED, INGEST_DATE, "rejections")
        return RejectionTable(log, storage, writer, self._events_log, self._prepared)

    def missing_files(self) -> tuple[str, ...]:
        """Name every file that a log of the lake names and that is not there."""
        tables: dict[str, StoredTable] = {"rejections": self.rejections()}
        for event in self.stored_events():
            tables[f"events/{event}"] = self.stored(event)
            tables[f"{RESTRICTED}/{event}"] = self.restricted(event)
        return tuple(f"{name}/{path}" for name in sorted(tables) for path in tables[name].missing())

    def recover(self) -> int:
        """Remove what crashed writers left behind; return how many files.

        Called by every process before it reads. Others wait for it, so that nobody adds rows
        while a plain glob could still see an uncommitted file with the same ones.
        """
        tables: list[StoredTable] = [self.events(name, STORED) for name in self._event_folders()]
        tables.append(self.rejections())
        removed = 0
        if self._writers is not None:
            where = str(self._writers)
            with state_faults("The folder of writers could not be used", where):
                make_private_folder(self._writers)
                with (
                    locked(self._writers / RECOVERY_LOCK),
                    dead_writers(self._writers, self.root) as dead,
                ):
                    removed = sum(table.remove_files_of(dead) for table in tables)
        return removed + sum(table.sweep() for table in tables)

    def close(self) -> None:
        """Tell others that this process no longer writes."""
        for prepared in self._prepared.values():
            prepared.staging.discard()
        self._prepared.clear()
        self.writer.close()

    def _event_folders(self) -> list[str]:
        return self._folders(EVENTS)

    def _folders(self, place: str) -> list[str]:
        with lake_faults("The lake could not be listed", self.root):
            if self.local:
                folder = Path(self.root) / place
                found = folder.iterdir() if folder.is_dir() else ()
                return sorted(path.name for path in found if path.is_dir())
            files = pafs.PyFileSystem(DeltaStorageHandler(f"{self.root}/{place}", self._options))
            listed = files.get_file_info(pafs.FileSelector("", allow_not_found=True))
            return sorted(info.base_name for info in listed if info.type == pafs.FileType.Directory)

    def _events_log(self, event: str) -> DeltaLog:
        return self._log(f"{EVENTS}/{event}", STORED, EVENT_DATE, event)

    def _log(
        self,
        path: str,
        schema: pa.Schema,
        partition: str,
        name: str,
        installation: Installation | None = None,
    ) -> DeltaLog:
        return DeltaLog(
            f"{self.root}/{path}",
            self._options,
            schema,
            partition,
            name,
            self._durable,
            installation,
            self._held,
            self._known,
            self._standings,
        )

    def _parts(
        self, path: str, schema: pa.Schema, partition: str, name: str
    ) -> tuple[DeltaLog, Storage, Writer]:
        # Rejections hold nobody's rows, and outlive short retentions.
        personal = partition == EVENT_DATE
        encryption = self.encryption if personal else PLAIN
        log = self._log(path, schema, partition, name, self.installation if personal else None)
        return log, storage_at(log.uri, self._options, encryption), self.writer
