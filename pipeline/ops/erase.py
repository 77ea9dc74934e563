"""Take the rows of some subjects out of a table's files, and prove that they are gone.

A subject has another token in every key epoch, so each day is searched for the tokens of its own
epoch only. Files that hold none of them are not touched. The others are copied without those
rows, row group by row group, and replaced in one commit a day; the old files are deleted, and the
new ones are read back. All other rows stay as they are, in their order.

Unit of parallelism: a day of an event. A crash leaves each day as it was, or finished.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import LakeError
from pipeline.io.snapshot import PartFile
from pipeline.io.staging import Staging
from pipeline.io.stored_table import StoredTable
from pipeline.ops.rewrite import Rewritten, retried
from pipeline.privacy.epochs import EpochKind, epoch_of

SUBJECT = "subject"
THREADS = 2
"""Days that are rewritten at once; Arrow works outside of Python's lock."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose rows are meant: subject tokens by the name of their key epoch."""

    kind: EpochKind
    tokens: Mapping[str, Collection[str]] = field(repr=False)

    def of(self, day: date) -> pa.Array:
        """Return the tokens under which their rows of that day are stored."""
        return pa.array(sorted(self.tokens.get(epoch_of(day, self.kind).name, ())), pa.string())


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of some subjects in one file."""

    file: PartFile
    rows: int


def find(table: StoredTable, subjects: Subjects) -> list[Found]:
    """Return the files that hold rows of `subjects`, and how many, reading one column only."""

    def look(file: PartFile) -> Found:
        tokens = subjects.of(file.day)
        rows = _count(table, file, tokens) if len(tokens) else 0
        return Found(file, rows)

    with ThreadPoolExecutor(THREADS) as pool:
        return [found for found in pool.map(look, table.snapshot().files) if found.rows]


def erase(
    table: StoredTable,
    subjects: Subjects,
    *,
    job: str,
    progress: Callable[[date], None] = lambda _: None,
) -> Rewritten:
    """Remove every row of `subjects` from `table`; return what was rewritten.

    `job` names the reason in the log. Raises LakeError if a token is still there afterwards or
    another row is missing, RewriteConflict if other jobs were faster again and again; whatever
    was finished stays finished, and a repetition finds only the rest.
    """
    days = sorted({found.file.day for found in find(table, subjects)})

    def one(day: date) -> Rewritten:
        progress(day)
        return retried(lambda: _erase_day(table, day, subjects, job), table)

    with ThreadPoolExecutor(THREADS) as pool:
        done = sum(pool.map(one, days), Rewritten())
    left = find(table, subjects)
    if left:
        raise LakeError(
            "Rows that were to be erased are still in the lake",
            where=f"{table.log.uri}, {len(left)} files",
            remedy="A pipeline without the current opt-out list is writing to this lake: stop it, "
            "then repeat.",
        )
    return done


def _erase_day(table: StoredTable, day: date, subjects: Subjects, job: str) -> Rewritten:
    tokens = subjects.of(day)
    files = table.snapshot().by_day().get(day, ())
    affected = {file: count for file in files if (count := _count(table, file, tokens))}
    if not affected:
        return Rewritten()
    staging = table.staging()
    for file in affected:
        _copy_without(table, file, tokens, staging)
    before = sum(file.rows for file in affected)
    after = sum(staged.rows for staged in staging.files)
    if before - after != sum(affected.values()):
        staging.discard()
        raise LakeError(
            "A rewrite would have changed other rows as well",
            where=f"{table.log.uri}, {day}",
            remedy="Nothing was changed. Check the files of that day for damage.",
        )
    table.rewrite(list(affected), staging, metadata={"job": job})
    return Rewritten(len(affected), len(staging.files), before, after)


def _copy_without(table: StoredTable, file: PartFile, tokens: pa.Array, staging: Staging) -> None:
    groups = _kept_groups(table, file, tokens)
    first = next(groups, None)
    if first is None:
        return
    with staging.open(file.day, first.schema, file.kind) as part:
        part.write(first)
        for group in groups:
            part.write(group)


def _kept_groups(table: StoredTable, file: PartFile, tokens: pa.Array) -> Iterator[pa.Table]:
    with table.storage.open_part(file.path) as source:
        for number in range(source.num_row_groups):
            rows = source.read_row_group(number, use_threads=False)
            kept = rows.filter(pc.invert(_is_one_of(rows[SUBJECT], tokens)))
            if kept.num_rows:
                yield kept


def _count(table: StoredTable, file: PartFile, tokens: pa.Array) -> int:
    with table.storage.open_part(file.path) as source:
        return sum(
            pc.sum(_is_one_of(batch.column(0), tokens)).as_py() or 0
            for batch in source.iter_batches(columns=[SUBJECT], use_threads=False)
        )


def _is_one_of(subjects: pa.ChunkedArray | pa.Array, tokens: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(subjects, value_set=tokens)
