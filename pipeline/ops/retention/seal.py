"""Compact a closed day into few, sorted, deduplicated files.

    open          until 2 h after the day ended       left alone
    closed        its events may still arrive         provisional seal: `sealed-*`, tokens kept
    settled       nothing regular can still arrive    final seal: `final-*`, event tokens gone

A duplicate is a row with the same event token as another row of the day. Rows without a token
(after a final seal) are never duplicates, so what a backfill adds after the final seal is
deduplicated only within itself. Sealing is idempotent; a day with new files is sealed again. The
column `event_token` stays in every file, so that all files of a table have one schema.

Unit of parallelism: a day of an event. A crash leaves the day as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.errors import LakeError, RewriteConflict
from pipeline.events.schema import EVENT_TOKEN
from pipeline.io.disk.spill import spill_folder
from pipeline.io.lake.event_table import EVENT_DATE, EventTable
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.staging import Staging
from pipeline.io.parquet.encoding import ROWS_PER_GROUP, PartKind
from pipeline.ops.rewrite import Rewritten, retried
from pipeline.ops.views import View, open_views, visible

CLOSES_AFTER = timedelta(hours=2)
TARGET_BYTES = 256 * 1024 * 1024
"""A file is closed at this size; sealed files should have 128 to 512 MiB."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The outcome for one day."""

    event: str
    day: date
    kind: PartKind
    files_before: int
    files_after: int
    rows: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Sealer:
    """How days are sealed. `lateness` is how old an event may be when it arrives."""

    lateness: timedelta = timedelta(days=7)
    target_bytes: int = TARGET_BYTES
    memory_mib: int = 2048
    spill: Path | None = None
    """Folder for what does not fit in memory; it is emptied afterwards."""
    sorted_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns to sort by, by event: `EventSchema.sorted_by`. Rows equal in them are ordered by a
    hash of the whole row, so that files do not show in which order rows arrived."""
    encrypt: bool = False
    """Whether a day with plain files is sealed again, to encrypt them."""

    def kind(self, day: date, now: datetime) -> PartKind:
        """Return what a seal of `day` may be now; STREAM for a day that is still open."""
        ended = datetime.combine(day + timedelta(days=1), time(), UTC) + CLOSES_AFTER
        if now < ended:
            return PartKind.STREAM
        return PartKind.SEALED if now < ended + self.lateness else PartKind.FINAL

    def due(self, files: Sequence[PartFile], now: datetime) -> PartKind | None:
        """Return the seal that the files of one day need, or None if they need none."""
        kind = self.kind(files[0].day, now)
        if kind is PartKind.STREAM:
            return None
        sealed = all(file.kind in (kind, PartKind.FINAL) for file in files)
        return None if sealed and not (self.encrypt and self._has_plain(files)) else kind

    def _has_plain(self, files: Sequence[PartFile]) -> bool:
        return any(file.label is None for file in files)

    def seal(
        self,
        event: str,
        table: EventTable,
        now: datetime,
        days: Sequence[date] | None = None,
        progress: Callable[[date], None] = lambda _: None,
    ) -> Iterator[Sealed]:
        """Seal every day of `event` that needs it, oldest first, or those of `days` alone.

        Raises RewriteConflict, LakeError or EnvironmentProblem; earlier days are sealed by then.
        """
        # A run that was killed may have left files that it had already replaced.
        table.vacuum()
        snapshot = table.snapshot()
        there = replace(snapshot, files=visible(snapshot.files, now.date())).by_day()
        for day in there:
            if (days is not None and day not in days) or self.due(there[day], now) is None:
                continue
            kinds: list[PartKind] = []

            def attempt(day: date = day, kinds: list[PartKind] = kinds) -> Rewritten:
                files = table.snapshot().by_day().get(day, ())
                kind = self.due(files, now) if files else None
                kinds[:] = [kind] if kind else []
                return self._rewrite(event, table, files, kind) if kind else Rewritten()

            progress(day)
            done = retried(attempt, table)
            if kinds:
                yield Sealed(
                    event,
                    day,
                    kinds[0],
                    done.files_before,
                    done.files_after,
                    done.rows_after,
                    done.rows_removed,
                )

    def _rewrite(
        self, event: str, table: EventTable, files: Sequence[PartFile], kind: PartKind
    ) -> Rewritten:
        staging = table.staging()
        try:
            self._write(staging, files[0].day, kind, self._sorted(event, table, files, kind))
        except (duckdb.Error, pa.ArrowException) as error:
            # A file that another job removed is reported in many ways, also as one that may not
            # be read. Only the log knows whether the files that were planned are still the day's.
            there = {file.path for file in table.snapshot().files}
            if there.issuperset(file.path for file in files):
                raise _unreadable(table, files[0].day, error) from None
            raise RewriteConflict("Another job replaced a file of the day") from None
        before = sum(file.rows for file in files)
        after = sum(file.rows for file in staging.files)
        table.rewrite(
            files,
            staging,
            metadata={"job": "seal", "kind": kind.value, "duplicates": before - after},
        )
        return Rewritten(len(files), len(staging.files), before, after)

    def _write(
        self, staging: Staging, day: date, kind: PartKind, batches: Iterator[pa.RecordBatch]
    ) -> None:
        batch = next(batches, None)
        while batch is not None:
            with staging.open(day, batch.schema, kind) as part:
                while batch is not None and part.size < self.target_bytes:
                    part.write(batch)
                    batch = next(batches, None)

    def _sorted(
        self, event: str, table: EventTable, files: Sequence[PartFile], kind: PartKind
    ) -> Iterator[pa.RecordBatch]:
        stored = table.log.schema
        dataset = table.dataset([file.path for file in files])
        written = pa.schema([column for column in stored if column.name != EVENT_DATE])
        view = View(event, stored, EVENT_DATE, tuple(files), dataset)
        with (
            spill_folder(self.spill) as spill,
            open_views([view], memory_mib=self.memory_mib, spill=spill) as database,
        ):
            rows = database.sql(_query(event, written.names, kind, self.sorted_by.get(event, ())))
            assert rows is not None  # a SELECT has a result
            for batch in rows.to_arrow_reader(ROWS_PER_GROUP):
                yield batch.cast(written)


def _unreadable(table: EventTable, day: date, error: Exception) -> LakeError:
    return LakeError(
        "The files of a day could not be read",
        where=f"{table.log.uri}, {day}",
        why=f"reading them ended with {type(error).__name__}",
        remedy="Nothing of that day was changed. Check its files for damage, and the disk.",
    )


def _query(event: str, columns: Sequence[str], kind: PartKind, sorted_by: Sequence[str]) -> str:
    """Return one row for each event token, sorted, and all rows without a token."""
    token = f"NULL AS {EVENT_TOKEN}" if kind is PartKind.FINAL else EVENT_TOKEN
    chosen = ", ".join(token if name == EVENT_TOKEN else f'"{name}"' for name in columns)
    # A table older than a column of the schema does not have it yet.
    order = ", ".join([*(f'"{name}"' for name in sorted_by if name in columns), "hash(one)"])
    return (
        f"SELECT {chosen} FROM ("
        f"SELECT DISTINCT ON ({EVENT_TOKEN}) * FROM {event} WHERE {EVENT_TOKEN} IS NOT NULL "
        f"UNION ALL SELECT * FROM {event} WHERE {EVENT_TOKEN} IS NULL) AS one ORDER BY {order}"
    )
