"""Move the rows of restricted accounts out of every view, and back again (GDPR Art. 18).

Restricted rows are kept in `<lake>/restricted/<event>/`, partitioned like the events: no view, no
aggregate and no glob over the events reads them, while expiry, erasure and export do. A move
changes two tables and still happens exactly once, because the events' log decides:

    1  write the day's restricted rows as they will be afterwards (a hidden file)
    2  commit the change of the events, and with it the number of that file
    3  replace the day's restricted files by that file

A crash before step 2 leaves a file that nothing names, which is removed. A crash after it leaves
the number in the events' log, and `finish` completes the rest. Moves, erasures and
releases of one lake take turns (a lock of the caller), so only the last number can be open.

Unit of parallelism: none. New events of a restricted account are dropped by the opt-out gate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import LakeError
from pipeline.events.schema import SUBJECT
from pipeline.io.lake.event_table import EVENT_DATE, EventTable
from pipeline.io.lake.orphans import number_of
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.staging import Staging
from pipeline.io.lake.table import StoredTable
from pipeline.ops.rewrite import Rewritten, retried
from pipeline.ops.rights.erasure import (
    Subjects,
    copy_groups,
    find,
    kept_groups,
    marked_groups,
    marks_of,
)

DECISION = "restricted"
"""Application id under which the events' log records the move that it has decided on."""


@dataclass(frozen=True, slots=True)
class Restriction:
    """Both tables of one event."""

    events: EventTable
    aside: RestrictedTable

    def restrict(
        self, subjects: Subjects, progress: Callable[[date], None] = lambda _: None
    ) -> int:
        """Move rows of `subjects` out of the views; return how many. Raises LakeError."""
        self.finish()
        return self._move(self.events, self._out, subjects, progress)

    def release(self, subjects: Subjects, progress: Callable[[date], None] = lambda _: None) -> int:
        """Move rows of `subjects` back into the views; return how many. Raises LakeError."""
        self.finish()
        return self._move(self.aside, self._back, subjects, progress)

    def finish(self) -> bool:
        """Complete a move that a crash interrupted; return whether there was one.

        Call it before anything else touches the restricted rows: it also removes leftovers.
        """
        decided = self.events.position(DECISION)
        completed = False
        rubbish = []
        for found in self.aside.unnamed():
            if decided is not None and number_of(found.path) == decided:
                self.aside.replace_day(self.aside.as_staged(found))
                completed = True
            else:
                rubbish.append(found.path)
        if rubbish:
            self.aside.remove_unnamed(rubbish)
        return completed

    def encrypt(self) -> int:
        """Rewrite the days of restricted rows that have plain files; return how many.

        For a lake whose files are encrypted from now on; no row moves.
        """
        self.finish()
        done = 0
        for day, files in self.aside.snapshot().by_day().items():
            if any(file.label is None for file in files):
                staged = self._staged(self.aside.staging(), day, self._rows_aside(day))
                self.aside.replace_day(staged.files[0])
                done += 1
        return done

    def _move(
        self,
        source: StoredTable,
        one_day: Callable[[date, Subjects], Rewritten],
        subjects: Subjects,
        progress: Callable[[date], None],
    ) -> int:
        moved = 0
        for day in sorted({found.file.day for found in find(source, subjects)}):
            progress(day)
            attempt = partial(one_day, day, subjects)
            moved += retried(attempt, self.events).rows_removed
        return moved

    def _out(self, day: date, subjects: Subjects) -> Rewritten:
        """Move one day's rows aside: the caller repeats it after a conflict."""
        tokens = subjects.of(day)
        kept = self.events.staging()
        affected: list[PartFile] = []
        moved: list[pa.Table] = []
        for file in self.events.snapshot().by_day().get(day, ()):
            with self.events.storage.open_part(file.path) as source:
                marks = marks_of(source, tokens)
                if any(mark is not None for mark in marks):
                    affected.append(file)
                    moved += marked_groups(source, marks)
                    copy_groups(kept, file, kept_groups(source, marks))
        if not affected:
            return Rewritten()
        rows = sum(table.num_rows for table in moved)
        before, after = sum(file.rows for file in affected), sum(file.rows for file in kept.files)
        if before - after != rows:
            kept.discard()
            raise _damaged(self.events, day)
        aside = self._staged(self.aside.staging(), day, [*self._rows_aside(day), *moved])
        self._decide(aside, affected, kept, {"job": "restrict", "rows": rows})
        return Rewritten(len(affected), len(kept.files), before, after)

    def _back(self, day: date, subjects: Subjects) -> Rewritten:
        """Move one day's rows back: the caller repeats it after a conflict."""
        tokens = subjects.of(day)
        there = self._rows_aside(day)
        marks = [pc.is_in(table[SUBJECT], value_set=tokens) for table in there]
        back = [table.filter(mark) for table, mark in zip(there, marks, strict=True)]
        rest = [table.filter(pc.invert(mark)) for table, mark in zip(there, marks, strict=True)]
        rows = sum(table.num_rows for table in back)
        if not rows:
            return Rewritten()
        aside = self._staged(self.aside.staging(), day, rest)
        returned = self._staged(self.events.staging(), day, back)
        self._decide(aside, [], returned, {"job": "release", "rows": rows})
        before = sum(table.num_rows for table in there)
        return Rewritten(1, 1, before, before - rows)

    def _rows_aside(self, day: date) -> list[pa.Table]:
        files = self.aside.snapshot().by_day().get(day, ())
        return [self.aside.storage.read(file.path) for file in files]

    def _staged(self, staging: Staging, day: date, tables: Sequence[pa.Table]) -> Staging:
        """Write one file with all rows, even if there are none: its name is the decision."""
        written = pa.schema([field for field in self.aside.log.schema if field.name != EVENT_DATE])
        with staging.open(day, written) as part:
            for table in tables:
                part.write(_as(table, written))
        return staging

    def _decide(
        self,
        aside: Staging,
        removed: Sequence[PartFile],
        added: Staging,
        metadata: Mapping[str, object],
    ) -> None:
        """Commit the change of the events, which decides, then the day's new file."""
        (file,) = aside.files
        number = number_of(file.path)
        assert number is not None  # we named it
        self.events.rewrite(
            removed, added, metadata=metadata, positions={DECISION: number}, companion=aside
        )
        self.aside.replace_day(file)


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with plain columns in the order of `schema`; a column they lack is null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _damaged(table: StoredTable, day: date) -> LakeError:
    return LakeError(
        "A move of restricted rows would have changed other rows as well",
        where=f"{table.log.uri}, {day}",
        remedy="Nothing of that day was changed. Check its files for damage.",
    )
