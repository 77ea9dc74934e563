"""The table of refused messages: where they were and why, never what they said.

A message is either stored or rejected, even when two processes read it at once and judge it
differently because its age crossed a limit in between. So the commit of the events decides for
both tables, in three steps:

    prepare   the rejections of a slice are written to a hidden, durable file with a number
    decide    the commit of the slice's events carries that number beside the position
    record    the file is committed to this table, under the same number

The process that loses the decision drops its file. After a crash between decision and record, the
file is recorded by the next start, or by the source's next slice that has rejections.

Unit of parallelism: one application id. Delivery: exactly-once, decided by the events' log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np
import pyarrow as pa

from pipeline.errors import LakeError
from pipeline.events.model import CleanBatch, Span
from pipeline.io.delta.commit import CommitRefused
from pipeline.io.delta.errors import STORAGE_FAULTS, lake_faults
from pipeline.io.delta.standing import LogState
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.orphans import number_of
from pipeline.io.lake.staging import StagedFile, Staging, add_action
from pipeline.io.lake.storage import StoredFile
from pipeline.io.lake.table import ATTEMPTS, StoredTable

INGEST_DATE = "ingest_date"
KEPT_DAYS = 7
LOOKS = 2
"""How often a file is listed before it counts as gone: one more than it changes its name."""
COORDINATES = ["event", "source", "topic", "partition"]


def _column(name: str, kind: pa.DataType, comment: str, unit: str = "") -> pa.Field:
    metadata = {"comment": comment, "unit": unit, "sensitivity": "technical", "since": "1"}
    return pa.field(name, kind, nullable=False, metadata=metadata)


STORED = pa.schema(
    [
        _column(INGEST_DATE, pa.date32(), "UTC day on which the message was refused"),
        _column("ingest_hour", pa.int8(), "UTC hour in which the message was refused", "hour"),
        _column("source", pa.string(), "Kind of source: file or kafka"),
        _column("topic", pa.string(), "Kafka topic, or the keyed identity of a file"),
        _column("partition", pa.int32(), "Kafka partition; 0 for files"),
        _column("offset", pa.int64(), "Kafka offset, or byte offset in the file"),
        _column("event", pa.string(), "Event that the source was expected to carry"),
        _column("stage", pa.string(), "Stage that refused the message"),
        _column("reason", pa.string(), "Why the message was refused, from a closed list"),
        _column("size_bucket", pa.int32(), "Size, rounded down to a power of two", "byte"),
    ]
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rejections of one slice, which wait for the commit of its events."""

    event: str
    span: Span
    staging: Staging

    @property
    def number(self) -> int:
        """What the events' commit carries to say that these rejections are the right ones."""
        number = number_of(self.staging.files[0].path)
        assert number is not None
        return number


@dataclass(frozen=True, slots=True)
class RejectionTable(StoredTable):
    """Rejections of all events, by `ingest_date`, kept seven days."""

    events_log: Callable[[str], DeltaLog] = field(repr=False)
    """The log of an event's table."""
    waiting: dict[tuple[str, str], Prepared] = field(repr=False)
    """What this process has prepared, by event and application id."""

    def prepare(self, batch: CleanBatch, now: datetime) -> int:
        """Write the batch's rejections, to be recorded by the commit of its events.

        Returns how many there are; without any, nothing is written. Raises LakeError or
        EnvironmentProblem, leaving nothing behind.
        """
        self._forget(batch.event, batch.span)
        count = int(batch.rejected.num_rows)
        if count:
            staging = self.staging()
            staging.write(now.date(), _rows(batch, now.hour))
            prepared = Prepared(batch.event, batch.span, staging)
            self.waiting[batch.event, batch.span.app_id] = prepared
        return count

    def take(self, batch: CleanBatch) -> Prepared | None:
        """Hand over what was prepared for exactly this batch; for the table of its events."""
        prepared = self.waiting.get((batch.event, batch.span.app_id))
        if prepared is None or prepared.span != batch.span:
            return None
        return self.waiting.pop((batch.event, batch.span.app_id))

    def catch_up(self, event: str, app_id: str, decided: int | None) -> None:
        """Record the rejections that the events' log has decided for and that a crash left out.

        `decided` is the number in the events' log. If the file is gone, the log of this table
        says so and work goes on: rejections help operators, and are not the record of events.
        """
        if decided is None or self._recorded(event, app_id) == decided:
            return
        self._record(event, app_id, decided, self._decided_file(decided))

    def _decided_file(self, decided: int) -> StagedFile | None:
        """Find the file of a decision under either of its names; None if it is gone.

        Its own writer may give it its final name while it is being looked for, and then a listing
        shows neither name. That happens once, so a second listing shows a file that is there.
        """
        for _ in range(LOOKS):
            for found in self._listed():
                if number_of(found.path) == decided:
                    with (
                        lake_faults("Decided rejections could not be read", self.log.uri),
                        suppress(FileNotFoundError),
                    ):
                        return self._as_staged(found)
        return None

    def record(self, prepared: Prepared) -> None:
        """Commit prepared rejections after the events' log has decided for them."""
        (file,) = prepared.staging.files
        self._record(prepared.event, prepared.span.app_id, prepared.number, file)

    def _clear(self, files: Iterable[StoredFile]) -> int:
        """Remove leftovers, but record those that the events' log has decided for."""
        return super(RejectionTable, self)._clear(
            found for found in files if not self._was_decided(found)
        )

    def _was_decided(self, found: StoredFile) -> bool:
        number = number_of(found.path)
        try:
            rows = self.storage.read(found.path, COORDINATES).slice(0, 1).to_pylist()
        except STORAGE_FAULTS:
            # Not written to its end, so nothing was decided.
            return False
        if number is None or not rows:
            return False
        event, app_id = rows[0]["event"], "{source}/{topic}/{partition}".format(**rows[0])
        if self.events_log(event).version_of(decision_of(app_id)) != number:
            return False
        if self._recorded(event, app_id) == number:
            return False
        self._record(event, app_id, number, self._decided_file(number))
        return True

    def _record(self, event: str, app_id: str, number: int, file: StagedFile | None) -> None:
        """Commit a decided file once, even if others try the same; it is never removed here."""
        counts = {"app_id": app_id, "event": event, "rejections": file.rows if file else 0}

        def load() -> tuple[LogState, int | None]:
            table = self.log.ready()
            return table, table.transaction_version(f"{event}/{app_id}")

        for _ in range(ATTEMPTS):
            table, recorded = self.log.look(load)
            if recorded == number:
                return
            actions = []
            if file is not None:
                self._reveal(file)
                actions = [add_action(file, INGEST_DATE, self.writer.clock.wall())]
            try:
                self.log.commit(table, actions, {f"{event}/{app_id}": number}, counts)
            except CommitRefused:
                continue
            return
        raise LakeError(
            "Rejections could not be recorded",
            where=self.log.uri,
            why="other writers were faster every time",
            remedy="They are recorded at the next start; nothing is lost.",
        )

    def _reveal(self, file: StagedFile) -> None:
        """Give a decided file its final name, unless somebody has just done so."""
        with lake_faults("Decided rejections could not be revealed", self.log.uri):
            try:
                self.storage.reveal([(file.hidden, file.path)])
            except FileNotFoundError:
                self.storage.size(file.path)

    def _as_staged(self, found: StoredFile) -> StagedFile:
        day, _, name = found.path.rpartition("/")
        path = f"{day}/{name.removeprefix('.').removesuffix('.tmp')}"
        rows = self.storage.read(found.path, COORDINATES).num_rows
        when = date.fromisoformat(day.removeprefix(f"{INGEST_DATE}="))
        return StagedFile(path, self.storage.hidden(path), when, rows, found.size)

    def _recorded(self, event: str, app_id: str) -> int | None:
        return self.log.version_of(f"{event}/{app_id}")

    def _forget(self, event: str, span: Span) -> None:
        old = self.waiting.pop((event, span.app_id), None)
        if old is not None:
            old.staging.discard()


def decision_of(app_id: str) -> str:
    """Return the application id under which the events' log decides for rejections."""
    return f"{app_id}/rejections"


def _rows(batch: CleanBatch, hour: int) -> pa.RecordBatch:
    rejected, span, event = batch.rejected, batch.span, batch.event
    count = rejected.num_rows
    sizes = rejected.column("size").to_numpy().astype(np.float64)
    # frexp is exact: size = fraction * 2**exponent with a fraction in [0.5, 1).
    buckets = np.where(sizes > 0, np.ldexp(0.5, np.frexp(sizes)[1]), 0).astype(np.int32)
    columns = {
        "ingest_hour": pa.repeat(pa.scalar(hour, pa.int8()), count),
        "source": pa.repeat(span.source, count),
        "topic": pa.repeat(span.topic, count),
        "partition": pa.repeat(pa.scalar(span.partition, pa.int32()), count),
        "offset": rejected.column("offset"),
        "event": pa.repeat(event, count),
        "stage": rejected.column("stage"),
        "reason": rejected.column("reason"),
        "size_bucket": pa.array(buckets, pa.int32()),
    }
    schema = pa.schema([field for field in STORED if field.name != INGEST_DATE])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)
