"""The lake: one Delta Lake table per event, and one of rejections; exactly-once by its log.

A commit carries the new files and the source's next position under an application id
(`<source>/<topic>/<partition>`). Before it, the table is loaded anew and must stand at the
slice's start; delta-rs refuses whoever commits the same id in between. So neither a second
pipeline, nor a zombie, nor a restart from anywhere can lose or double an event.

Unit of parallelism: one application id. Delivery: exactly-once, judged by this log alone.
Replay: nothing is doubled; a slice that was already committed is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipeline.errors import LakeError, PositionConflict
from pipeline.events.model import CleanBatch
from pipeline.io.deltalog import DeltaLog
from pipeline.io.locks import WriterLock, new_writer_name
from pipeline.io.parquet import split_by_date
from pipeline.io.rejections import RejectionTable
from pipeline.io.snapshot import EMPTY, Snapshot, take_snapshot
from pipeline.io.staging import Clock, Staging
from pipeline.io.storage import Storage, storage_at

EVENT_DATE = "event_date"


@dataclass(frozen=True, slots=True)
class Committed:
    """What one commit added."""

    files: int
    rows: int
    bytes: int
    version: int


class Lake:
    """Tables under one root, a folder or `s3://`, `gs://`, `az://` address.

    `state` is the folder that tells other processes which local writers are alive; without it
    leftovers of crashed writers are only removed after an hour.
    """

    def __init__(
        self,
        root: str,
        storage_options: Mapping[str, str] | None = None,
        *,
        state: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.root = root.rstrip("/") if "://" in root else str(Path(root).absolute())
        self.options = dict(storage_options or {})
        self.clock = clock or Clock()
        self._state = state
        self._lock: WriterLock | None = None
        self._name = new_writer_name()

    @property
    def local(self) -> bool:
        """Whether the lake is a folder of this machine."""
        return "://" not in self.root

    @property
    def writer(self) -> str:
        """This process's name in file names; in a forked process another one."""
        if self._state is None or not self.local:
            return self._name
        if self._lock is None or self._lock.process != os.getpid():
            self._lock = WriterLock(self._state / "writers")
        return self._lock.writer

    def events(self, event: str, schema: pa.Schema) -> EventTable:
        """Return the table of one event; `schema` holds the stored columns, event_date first."""
        uri = f"{self.root}/events/{event}"
        log = DeltaLog(uri, self.options, schema, EVENT_DATE, event)
        return EventTable(self, log, storage_at(uri, self.options))

    def rejections(self) -> RejectionTable:
        """Return the table of messages that were refused."""
        return RejectionTable(self.root, self.options, lambda: self.writer, self.clock)

    def close(self) -> None:
        """Tell others that this writer has nothing uncommitted."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __repr__(self) -> str:
        return f"Lake({self.root!r})"


@dataclass(frozen=True, slots=True)
class EventTable:
    """The stored rows of one event, by `event_date`."""

    lake: Lake = field(repr=False)
    log: DeltaLog
    storage: Storage = field(repr=False)
    _seen: set[str] = field(default_factory=set, repr=False)
    """Application ids that had a position at some time in this process's life."""

    def position(self, app_id: str) -> int | None:
        """Return the next position of a source, as of now; None if nothing was committed of it.

        Raises LakeError if a position that this process has seen is gone: somebody removed the
        table under a running pipeline, and starting over would double or lose events.
        """
        return self._position(self.log.load(), app_id)

    def _position(self, table: DeltaTable | None, app_id: str) -> int | None:
        position = None if table is None else table.transaction_version(app_id)
        if position is not None:
            self._seen.add(app_id)
        elif app_id in self._seen:
            raise LakeError(
                "The lake has forgotten a position that it had",
                where=f"{self.log.uri}, {app_id}",
                why="the table was removed or replaced while the pipeline was running",
                remedy="Stop every pipeline on this lake, restore the table, then run again.",
            )
        return position

    def snapshot(self) -> Snapshot:
        """Return the files that make up the table now; empty if it was not created yet."""
        table = self.log.load()
        return EMPTY if table is None else take_snapshot(table, self.log.uri, self.log.partition)

    def stage(self, batch: CleanBatch) -> Staging:
        """Write one hidden file per event date of `batch` and make them durable.

        Raises LakeError or EnvironmentProblem, leaving nothing behind.
        """
        expected = self.log.schema
        if not batch.rows.schema.equals(expected):
            raise LakeError(
                "A batch does not have the columns of its table",
                where=self.log.uri,
                remedy="Run one version of the program and its schemas on one lake.",
            )
        staging = Staging(self.storage, self.log.uri, EVENT_DATE, self.lake.writer, self.lake.clock)
        if batch.rows.num_rows:
            for day, rows in split_by_date(batch.rows, EVENT_DATE):
                staging.write(day, rows)
        return staging

    def publish(
        self, staging: Staging, batch: CleanBatch, metadata: Mapping[str, object] | None = None
    ) -> Committed:
        """Commit staged files together with the position, if the lake stands at the slice's start.

        A source of which nothing was committed yet may start anywhere (Kafka keeps no beginning).
        Raises PositionConflict (another writer moved the position), SliceExpired (staged too long
        ago) or LakeError; in each case the staged files are gone and nothing is visible.
        """
        span = batch.span
        try:
            table = self.log.ensure()
            staging.check_age()
            if self._position(table, span.app_id) not in (span.start, None):
                raise PositionConflict(
                    "The lake does not stand where this slice starts",
                    where=f"{self.log.uri}, {span.app_id}, position {span.start}",
                    remedy="The slice was thrown away and is read again from where the lake is.",
                )
            staging.reveal()
            version = self.log.commit(
                table, staging.actions(), {span.app_id: span.stop}, account(batch, metadata)
            )
            self._seen.add(span.app_id)
        except BaseException:
            staging.discard()
            raise
        return Committed(
            files=len(staging.files),
            rows=sum(file.rows for file in staging.files),
            bytes=sum(file.size for file in staging.files),
            version=version,
        )

    def commit(
        self, batch: CleanBatch, *, metadata: Mapping[str, object] | None = None
    ) -> Committed:
        """Store `batch` exactly once: stage, compare the position, commit. See `publish`."""
        return self.publish(self.stage(batch), batch, metadata)


def account(batch: CleanBatch, metadata: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return what a commit records of its messages, so that completeness can be proven later.

    read = written + the sum of rejected + the sum of dropped.
    """
    counted = pc.value_counts(batch.rejected.column("reason")).to_pylist()
    return {
        **(metadata or {}),
        "app_id": batch.span.app_id,
        "start": batch.span.start,
        "stop": batch.span.stop,
        "read": batch.read,
        "written": batch.rows.num_rows,
        "rejected": {item["values"]: item["counts"] for item in counted},
        "dropped": {drop.value: count for drop, count in batch.dropped.items() if count},
    }
