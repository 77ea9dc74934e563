"""The lake: one Delta table per event, one for its restricted rows, and one of rejections.

    <root>/events/<event>/event_date=YYYY-MM-DD/part-<writer>-<random>.parquet
    <root>/restricted/<event>/event_date=YYYY-MM-DD/part-<writer>-<random>.parquet
    <root>/rejections/ingest_date=YYYY-MM-DD/part-<writer>-<random>.parquet

Opening a lake creates nothing; tables are created by their first commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from pipeline.errors import LakeError
from pipeline.io.deltalog import DeltaLog
from pipeline.io.encryption import PLAIN, Encryption
from pipeline.io.event_table import EVENT_DATE, EventTable
from pipeline.io.faults import state_faults
from pipeline.io.lake_faults import lake_faults
from pipeline.io.locks import dead_writers, locked, make_private_folder
from pipeline.io.rejections import INGEST_DATE, STORED, Prepared, RejectionTable
from pipeline.io.restricted import RestrictedTable
from pipeline.io.rollups import RollupStore
from pipeline.io.staging import Clock
from pipeline.io.storage import Storage, storage_at
from pipeline.io.stored_table import StoredTable
from pipeline.io.writer import Writer

RESTRICTED = "restricted"


class Lake:
    """Tables under one root: a folder, or an `s3://`, `gs://`, `az://` address.

    `storage_options` are delta-rs's, for data and log alike. `state` is the folder in which local
    writers show that they are alive; without it the leftovers of a crashed writer are removed
    after an hour instead of at the next start. `encryption` says whether files of events are
    written encrypted, and opens those that are.
    """

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        state: Path | None = None,
        clock: Clock | None = None,
        encryption: Encryption = PLAIN,
    ) -> None:
        self.encryption = encryption
        self.local = "://" not in root
        self.root = str(Path(root).absolute()) if self.local else root.rstrip("/")
        self._options = dict(storage_options or {})
        self._writers = state / "writers" if state is not None and self.local else None
        self.writer = Writer(self.root, self._writers, clock or Clock())
        self._prepared: dict[tuple[str, str], Prepared] = {}

    def rollups(self) -> RollupStore:
        """Return the publications beside the event tables."""
        return RollupStore(self.root, self._options)

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"

    def events(self, event: str, schema: pa.Schema) -> EventTable:
        """Return the table of one event; `schema` holds the stored columns, event_date first."""
        log, storage, writer = self._parts(f"events/{event}", schema, EVENT_DATE, event)
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
        """Name the events of which rows were ever restricted, in alphabetical order."""
        return tuple(
            name for name in self.stored_events() if self.restricted(name).log.load() is not None
        )

    def rejections(self) -> RejectionTable:
        """Return the table of messages that were refused."""
        log, storage, writer = self._parts("rejections", STORED, INGEST_DATE, "rejections")
        return RejectionTable(log, storage, writer, self._events_log, self._prepared)

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
                    locked(self._writers / ".recovery"),
                    dead_writers(self._writers, self.root) as dead,
                ):
                    removed = sum(table.remove_files_of(dead) for table in tables)
        return removed + sum(table.sweep() for table in tables)

    def close(self) -> None:
        """Tell others that this process does not write any more."""
        for prepared in self._prepared.values():
            prepared.staging.discard()
        self._prepared.clear()
        self.writer.close()

    def _event_folders(self) -> list[str]:
        with lake_faults("The lake could not be listed", self.root):
            if self.local:
                folder = Path(self.root) / "events"
                return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            files = pafs.PyFileSystem(DeltaStorageHandler(f"{self.root}/events", self._options))
            found = files.get_file_info(pafs.FileSelector("", allow_not_found=True))
            return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def _events_log(self, event: str) -> DeltaLog:
        return DeltaLog(f"{self.root}/events/{event}", self._options, STORED, EVENT_DATE, event)

    def _parts(
        self, path: str, schema: pa.Schema, partition: str, name: str
    ) -> tuple[DeltaLog, Storage, Writer]:
        uri = f"{self.root}/{path}"
        log = DeltaLog(uri, self._options, schema, partition, name)
        # Rejections hold no row of anybody, and outlive short retentions.
        encryption = self.encryption if partition == EVENT_DATE else PLAIN
        return log, storage_at(uri, self._options, encryption), self.writer
