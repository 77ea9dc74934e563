"""Compact a closed day into few, sorted, deduplicated files.

    open          until 2 h after the day ended       many small files are joined: `joining`
    closed        its events may still arrive         provisional seal: `sealed-*`, tokens kept
    settled       nothing regular can still arrive    final seal: `final-*`, event tokens gone

A duplicate is a row with the same event token as another row of the day. Rows without a token
(after a final seal) are never duplicates, so what a backfill adds after the final seal is
deduplicated only within itself. Sealing is idempotent. Files that are new since are sealed with
their day, or on their own while they hold few rows: then without events that the day has. The
column `event_token` stays in every file, so that all files of a table have one schema.

Memory does not grow with the day: it is sealed in portions, and each is sorted in itself.

Unit of parallelism: a day of an event. A crash leaves the day as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import LakeError, RewriteConflict
from pipeline.events.schema import EVENT_TOKEN
from pipeline.io.delta.errors import STORAGE_FAULTS
from pipeline.io.lake.event_table import EVENT_DATE, EventTable
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.staging import Staging
from pipeline.io.parquet.dictionaries import coded
from pipeline.io.parquet.encoding import ROWS_PER_GROUP, PartKind
from pipeline.ops.retention.arranging import Arrangement
from pipeline.ops.retention.joining import joinable
from pipeline.ops.retention.portions import in_portions, read_rows
from pipeline.ops.rewrite import Rewritten, retried
from pipeline.ops.views import visible

CLOSES_AFTER = timedelta(hours=2)
TARGET_BYTES = 256 * 1024 * 1024
"""A file is closed at this size, or at the end of a portion."""
PORTION_BYTES = 192 * 1024 * 1024
"""Rows in memory at once. While they are sorted, they take about 1.3 times as much."""
LATE_SHARE = 8
"""Late rows are sealed on their own while they are fewer than an eighth of their day: sealing the
day again would write eight times as many rows or more, to spare readers one small file."""
MOST_LATE = 8 * ROWS_PER_GROUP
"""More late rows than these (a million) are sealed with their day: they would need portions."""


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
    portion_bytes: int = PORTION_BYTES
    spill: Path | None = None
    """Folder for what does not fit in memory, emptied afterwards; without one, all must fit."""
    entropy: Callable[[int], bytes] = field(default=secrets.token_bytes, repr=False)
    """Random bytes, so many: they order rows that sort alike."""
    sorted_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns to sort by, by event: `EventSchema.sorted_by`. Rows equal in them are shuffled, so
    that files do not show in which order rows arrived."""
    encrypt: bool = False
    """Whether a day with plain files is sealed again, to encrypt them."""

    def kind(self, day: date, now: datetime) -> PartKind:
        """Return what a seal of `day` may be now; STREAM for a day that is still open."""
        ended = datetime.combine(day + timedelta(days=1), time(), UTC) + CLOSES_AFTER
        if now < ended:
            return PartKind.STREAM
        return PartKind.SEALED if now < ended + self.lateness else PartKind.FINAL

    def due(self, files: Sequence[PartFile], now: datetime) -> PartKind | None:
        """Return the seal that the files of one day need, or None if they need none.

        STREAM says that the day is open, and that files of it are to be joined.
        """
        kind = self.kind(files[0].day, now)
        if kind is PartKind.STREAM:
            return kind if joinable(files, now) else None
        sealed = all(file.kind in (kind, PartKind.FINAL) for file in files)
        return None if sealed and not (self.encrypt and self._has_plain(files)) else kind

    def _has_plain(self, files: Collection[PartFile]) -> bool:
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

        Small files of a day that is still open are joined. Raises RewriteConflict, LakeError or
        EnvironmentProblem; earlier days are sealed by then.
        """
        # A run that was killed may have left files that it had already replaced.
        table.vacuum()
        snapshot = table.snapshot()
        there = replace(snapshot, files=visible(snapshot.files, now.date())).by_day()
        for day in there:
            if (days is not None and day not in days) or self.due(there[day], now) is None:
                continue
            progress(day)
            while (done := self._sealed(event, table, day, now)) is not None:
                yield done
                if done.kind is not PartKind.STREAM:
                    break

    def _sealed(self, event: str, table: EventTable, day: date, now: datetime) -> Sealed | None:
        """Seal a day, or join files of it once; None if it is not due any more."""
        kinds: list[PartKind] = []

        def attempt() -> Rewritten:
            files = table.snapshot().by_day().get(day, ())
            kind = self.due(files, now) if files else None
            kinds[:] = [kind] if kind else []
            return self._rewrite(event, table, files, kind, now) if kind else Rewritten()

        done = retried(attempt, table)
        if not kinds:
            return None
        return Sealed(
            event,
            day,
            kinds[0],
            done.files_before,
            done.files_after,
            done.rows_after,
            done.rows_removed,
        )

    def _rewrite(
        self,
        event: str,
        table: EventTable,
        files: Sequence[PartFile],
        kind: PartKind,
        now: datetime,
    ) -> Rewritten:
        joins = kind is PartKind.STREAM
        chosen = joinable(files, now) if joins else self._chosen(files, kind)
        mine = {file.path for file in chosen}
        rest = [file for file in files if file.path not in mine]
        try:
            with table.staging() as staging:
                if joins:
                    staging.written = max(file.added_ms for file in chosen) / 1000
                portions = self._arranged(event, table, chosen, rest, kind)
                self._write(staging, files[0].day, kind, portions)
        except STORAGE_FAULTS as error:
            # A file that another job removed is reported in many ways. Only the log knows whether
            # the files that were planned are still the day's.
            there = {file.path for file in table.snapshot().files}
            if there.issuperset(file.path for file in files):
                raise _unreadable(table, files[0].day, error) from None
            raise RewriteConflict("Another job replaced a file of the day") from None
        before = sum(file.rows for file in chosen)
        after = sum(file.rows for file in staging.files)
        table.rewrite(
            chosen,
            staging,
            metadata={"job": "seal", "kind": kind.value, "duplicates": before - after},
        )
        return Rewritten(len(chosen), len(staging.files), before, after)

    def _chosen(self, files: Sequence[PartFile], kind: PartKind) -> Sequence[PartFile]:
        """Return the files to seal: all, or a few late rows and what is as small as they are.

        A sealed file joins when it has no more than eight times the rows that join it, so that the
        small files of a day stay few however often rows come late.
        """
        late = [file for file in files if file.kind not in (kind, PartKind.FINAL)]
        rows = sum(file.rows for file in late)
        if not late or (self.encrypt and self._has_plain(set(files) - set(late))):
            return files
        if rows > MOST_LATE or LATE_SHARE * rows >= sum(file.rows for file in files):
            return files
        for file in sorted(files, key=lambda file: file.rows):
            if file.kind is not kind or file.rows > LATE_SHARE * rows:
                continue
            if rows + file.rows <= MOST_LATE:
                late.append(file)
                rows += file.rows
        return late

    def _write(
        self, staging: Staging, day: date, kind: PartKind, portions: Iterator[Iterator[pa.Table]]
    ) -> None:
        for groups in portions:
            group = next(groups, None)
            while group is not None:
                with staging.open(day, group.schema, kind) as part:
                    while group is not None and part.size < self.target_bytes:
                        part.write(group)
                        group = next(groups, None)

    def _arranged(
        self,
        event: str,
        table: EventTable,
        files: Sequence[PartFile],
        rest: Sequence[PartFile],
        kind: PartKind,
    ) -> Iterator[Iterator[pa.Table]]:
        """Yield the row groups of each portion of `files`, without events that `rest` holds."""
        stored = pa.schema([column for column in table.log.schema if column.name != EVENT_DATE])
        schema = coded(stored)
        # A table older than a column of the schema does not have it yet.
        arrangement = Arrangement(
            schema,
            [name for name in self.sorted_by.get(event, ()) if name in schema.names],
            self.entropy,
            drop_tokens=kind is PartKind.FINAL,
            keep_copies=kind is PartKind.STREAM,
            known=(lambda tokens: _stored(table, rest, tokens)) if rest else None,
        )
        rows = read_rows(table.storage, files, schema)
        count = sum(file.rows for file in files)
        for batches in in_portions(rows, count, self.portion_bytes, self.spill, self.entropy):
            yield arrangement.groups(batches)


def _stored(table: EventTable, files: Sequence[PartFile], tokens: pa.Array) -> pa.Array:
    """Tell which tokens are among those of `files`; only that column of them is read."""
    found: set[str] = set()
    # After a final seal there are none.
    for file in (file for file in files if file.kind is not PartKind.FINAL):
        with table.storage.open_part(file.path) as source:
            for number in range(source.num_row_groups):
                there = source.read_row_group(number, [EVENT_TOKEN], use_threads=False).column(0)
                same = there.filter(pc.is_in(there, value_set=tokens.drop_null()))
                found.update(same.to_pylist())
    return pc.is_in(tokens, value_set=pa.array(sorted(found), pa.string()))


def _unreadable(table: EventTable, day: date, error: BaseException) -> LakeError:
    return LakeError(
        "The files of a day could not be read",
        where=f"{table.log.uri}, {day}",
        why=f"reading them ended with {type(error).__name__}",
        remedy="Nothing of that day was changed. Check its files for damage, and the disk.",
    )
