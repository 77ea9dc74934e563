"""The table of refused messages: where they were and why, never what they said.

Rejections are committed before the events of the same slice, each with its own position, so the
two tables may be cut differently on replay and each still holds every message once. Some reasons
depend on the time (`too_old`): after a crash between the two commits a message could be refused
the first time and accepted the second. So the caller asks `recorded` and keeps what was decided.

Unit of parallelism: one application id. Delivery: exactly-once, judged by this table's own log.
Replay: rows below the table's head are compared with what it holds and written only once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipeline.errors import PositionConflict
from pipeline.events.model import CleanBatch, Reason, Span, Stage
from pipeline.io.deltalog import CommitRefused, DeltaLog
from pipeline.io.lake_faults import lake_faults
from pipeline.io.snapshot import take_snapshot
from pipeline.io.stored_table import StoredTable

INGEST_DATE = "ingest_date"
KEPT_DAYS = 7
ATTEMPTS = 5


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
class RejectionTable(StoredTable):
    """Rejections of all events, by `ingest_date`, kept seven days."""

    events_log: Callable[[str], DeltaLog] = field(repr=False)
    """The log of an event's table."""

    def position(self, span: Span, event: str) -> int:
        """Return up to where this table knows the decisions about a source's messages."""
        return _head(self.log.load(), span, event)

    def recorded(self, span: Span, event: str) -> Mapping[int, tuple[Stage, Reason]]:
        """Return what was refused before inside `span`, by offset: it has to stay refused.

        Empty, without reading any file, unless a crash or another writer cut between the
        rejections and the events of these messages.
        """
        return self._recorded(self.log.load(), span, event)

    def commit(self, batch: CleanBatch, now: datetime) -> int:
        """Store the batch's rejections once each; return how many were new.

        Does nothing for a batch without rejections. Raises PositionConflict if the events table
        does not stand at the slice's start: then somebody else decides about these messages.
        """
        if batch.rejected.num_rows == 0:
            return 0
        for _ in range(ATTEMPTS):
            try:
                return self._commit_once(batch, now)
            except CommitRefused:
                continue
        raise _conflict(batch.span, self.log.uri)

    def expire(self, now: datetime) -> int:
        """Remove rejections that are older than seven days, for good; return how many files."""
        limit = now.date() - timedelta(days=KEPT_DAYS)
        old = [file for file in self.snapshot().files if file.day < limit]
        if old:
            self.rewrite(old, metadata={"job": "expire_rejections", "files": len(old)})
            self.vacuum()
        return len(old)

    def _commit_once(self, batch: CleanBatch, now: datetime) -> int:
        span, event = batch.span, batch.event
        self._check_events_head(span, event)
        table = self.log.ensure()
        known = self._recorded(table, span, event)
        fresh = batch.rejected
        if known:
            offsets = pa.array(list(known), pa.int64())
            fresh = fresh.filter(pc.invert(pc.is_in(fresh.column("offset"), offsets)))
        if fresh.num_rows == 0:
            return 0
        staging = self.staging()
        staging.write(now.date(), _rows(fresh, span, event, now.hour))
        counts = {"app_id": span.app_id, "event": event, "rejections": fresh.num_rows}
        positions = {_app_id(span, event): max(span.stop, _head(table, span, event))}
        # On the very version that was compared: whatever comes in between is compared anew.
        return self.land(lambda: table, staging, positions, counts, attempts=1).rows

    def _check_events_head(self, span: Span, event: str) -> None:
        log = self.events_log(event)
        table = log.load()
        head = None if table is None else table.transaction_version(span.app_id)
        if head not in (span.start, None):
            raise _conflict(span, log.uri)

    def _recorded(
        self, table: DeltaTable | None, span: Span, event: str
    ) -> Mapping[int, tuple[Stage, Reason]]:
        if table is None or _head(table, span, event) <= span.start:
            return {}
        mine = (
            (pc.field("source") == span.source)
            & (pc.field("topic") == span.topic)
            & (pc.field("partition") == span.partition)
            & (pc.field("event") == event)
            & (pc.field("offset") >= span.start)
            & (pc.field("offset") < span.stop)
        )
        found: dict[int, tuple[Stage, Reason]] = {}
        for file in take_snapshot(table, self.log.uri, INGEST_DATE).files:
            with lake_faults("A file of rejections could not be read", file.uri):
                rows = self.storage.read(file.path, ["offset", "stage", "reason"], mine)
            for offset, stage, reason in zip(
                *(rows.column(name).to_pylist() for name in ("offset", "stage", "reason")),
                strict=True,
            ):
                found[offset] = (Stage(stage), Reason(reason))
        return found


def _conflict(span: Span, where: str) -> PositionConflict:
    return PositionConflict(
        "The lake does not stand where this slice starts: another writer moved the position",
        where=f"{where}, {span.app_id}, position {span.start}",
        remedy="The slice was thrown away and is read again from where the lake stands.",
    )


def _app_id(span: Span, event: str) -> str:
    return f"{event}/{span.app_id}"


def _head(table: DeltaTable | None, span: Span, event: str) -> int:
    return 0 if table is None else table.transaction_version(_app_id(span, event)) or 0


def _rows(rejected: pa.RecordBatch, span: Span, event: str, hour: int) -> pa.RecordBatch:
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
