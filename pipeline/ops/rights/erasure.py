"""Take the rows of some subjects out of a table's files, and prove that they are gone.

A subject has a different token in every key epoch, so each day is searched only for the tokens of
its own epoch. One column of every file is read first, as dictionary and codes: the dictionary
alone tells whether a token is in it. Files without any of them are not touched. The others are
copied row group by row group, text undecoded, and replaced in one commit a day; the old files are
deleted. Then every file that is new since is read again, until a whole pass finds nothing. All
other rows stay as they are, in their order.

Dictionaries are rebuilt for the remaining rows: a value that only removed rows had would otherwise
stay in the file.

Unit of parallelism: a day of a table. A crash leaves each day as it was, or finished.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import LakeError
from pipeline.events.schema import SUBJECT
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.staging import Staging
from pipeline.io.lake.table import StoredTable
from pipeline.io.parquet.dictionaries import tidy
from pipeline.ops.rewrite import Rewritten, retried, undisturbed
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

THREADS = 2
"""Days that are rewritten at once; Arrow works outside of Python's lock."""
PASSES = 5
"""A pipeline whose list is up to a quarter of an hour behind may add rows meanwhile."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose rows are affected: subject tokens by the name of their key epoch."""

    kind: EpochKind
    tokens: Mapping[str, Collection[str]] = field(repr=False)

    def of(self, day: date) -> pa.Array:
        """Return the tokens under which their rows of that day are stored."""
        return pa.array(sorted(self.tokens.get(epoch_of(day, self.kind).name, ())), pa.string())


def merged(people: Iterable[Mapping[str, str]]) -> dict[str, set[str]]:
    """Return the tokens of many people by epoch, from each one's token by epoch."""
    tokens: dict[str, set[str]] = {}
    for subjects in people:
        for epoch, token in subjects.items():
            tokens.setdefault(epoch, set()).add(token)
    return tokens


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Rows of some subjects in one file."""

    file: PartFile
    rows: int


def find(table: StoredTable, subjects: Subjects) -> list[FoundRows]:
    """Return the files that hold rows of `subjects`, and how many, reading one column only."""

    def look(file: PartFile) -> FoundRows:
        tokens = subjects.of(file.day)
        return FoundRows(file, _count(table, file, tokens) if len(tokens) else 0)

    def look_at_all() -> list[FoundRows]:
        with ThreadPoolExecutor(THREADS) as pool:
            return [found for found in pool.map(look, table.snapshot().files) if found.rows]

    return undisturbed(look_at_all)


def holders(table: StoredTable, subjects: Subjects) -> set[str]:
    """Return the tokens of `subjects` under which the table holds rows."""

    def look(file: PartFile) -> set[str]:
        tokens = subjects.of(file.day)
        if not len(tokens):
            return set()
        held = table.storage.read(file.path, [SUBJECT], pc.field(SUBJECT).isin(tokens))
        return set(held[SUBJECT].unique().to_pylist())

    def look_at_all() -> set[str]:
        with ThreadPoolExecutor(THREADS) as pool:
            return set[str]().union(*pool.map(look, table.snapshot().files))

    return undisturbed(look_at_all)


def erase(
    table: StoredTable,
    subjects: Subjects,
    *,
    job: str,
    progress: Callable[[date], None] = lambda _: None,
) -> Rewritten:
    """Remove every row of `subjects` from `table`; return what was rewritten.

    `job` names the reason in the log. Raises LakeError if a token is still there afterwards or
    another row is missing, RewriteConflict if other jobs were faster again and again; finished
    days stay finished, and a repetition finds only the rest.
    """
    clean: set[str] = set()

    def one(day: date) -> Rewritten:
        progress(day)
        return retried(lambda: _erase_day(table, day, subjects, job, clean), table)

    done = Rewritten()
    for _ in range(PASSES):
        unread = {file.day for file in table.snapshot().files if file.path not in clean}
        days = sorted(day for day in unread if len(subjects.of(day)))
        with ThreadPoolExecutor(THREADS) as pool:
            removed = sum(pool.map(one, days), Rewritten())
        done += removed
        if not removed.files_before:
            # A run that was killed may have left files that it had already replaced.
            table.vacuum()
            # So may writers that were killed: what they staged is named by no commit.
            table.sweep()
            return done
    raise LakeError(
        "Rows that were to be erased keep reappearing",
        where=table.log.uri,
        remedy="A pipeline without the current opt-out list is writing to this lake: stop it, "
        "then repeat.",
    )


def _erase_day(
    table: StoredTable, day: date, subjects: Subjects, job: str, clean: set[str]
) -> Rewritten:
    """Rewrite the files of a day that hold a token and are not known as `clean`."""
    with table.staging() as staging:
        return _erase_files(table, day, subjects.of(day), job, clean, staging)


def _erase_files(
    table: StoredTable,
    day: date,
    tokens: pa.Array,
    job: str,
    clean: set[str],
    staging: Staging,
) -> Rewritten:
    affected: list[PartFile] = []
    removed = 0
    for file in table.snapshot().by_day().get(day, ()):
        if file.path in clean:
            continue
        with table.storage.open_part(file.path) as source:
            marks = marks_of(source, tokens)
            if source.metadata.num_rows != file.rows:
                raise _damaged(table, day)
            if all(mark is None for mark in marks):
                clean.add(file.path)
                continue
            affected.append(file)
            removed += sum(pc.sum(mark).as_py() for mark in marks if mark is not None)
            copy_groups(staging, file, kept_groups(source, marks))
    if not affected:
        return Rewritten()
    before = sum(file.rows for file in affected)
    after = sum(staged.rows for staged in staging.files)
    if before - after != removed:
        raise _damaged(table, day)
    table.rewrite(affected, staging, metadata={"job": job, "rows": removed})
    return Rewritten(len(affected), len(staging.files), before, after)


def _damaged(table: StoredTable, day: date) -> LakeError:
    return LakeError(
        "A rewrite would have changed other rows as well",
        where=f"{table.log.uri}, {day}",
        remedy="Nothing of that day was changed. Check its files for damage.",
    )


def copy_groups(staging: Staging, file: PartFile, groups: Iterator[pa.Table]) -> None:
    """Write row groups to a new file of the same day and kind; no file if there are no rows."""
    first = next(groups, None)
    if first is None:
        return
    with staging.open(file.day, first.schema, file.kind) as part:
        part.write(first)
        for group in groups:
            part.write(group)


def kept_groups(source: pq.ParquetFile, marks: list[pa.Array | None]) -> Iterator[pa.Table]:
    """Yield the row groups of a file without the marked rows."""
    for number, mark in enumerate(marks):
        rows = source.read_row_group(number, use_threads=False)
        if mark is not None:
            rows = tidy(rows.filter(pc.invert(mark)))
        if rows.num_rows:
            yield rows


def marked_groups(source: pq.ParquetFile, marks: list[pa.Array | None]) -> Iterator[pa.Table]:
    """Yield only the marked rows, reading only their row groups."""
    for number, mark in enumerate(marks):
        if mark is not None:
            yield tidy(source.read_row_group(number, use_threads=False).filter(mark))


def marks_of(source: pq.ParquetFile, tokens: pa.Array) -> list[pa.Array | None]:
    """Return for each row group which of its rows have one of `tokens`; None if none has."""
    return [
        _mark(source.read_row_group(number, [SUBJECT], use_threads=False).column(0), tokens)
        for number in range(source.num_row_groups)
    ]


def _mark(subjects: pa.ChunkedArray, tokens: pa.Array) -> pa.Array | None:
    chunks = [_mark_chunk(chunk, tokens) for chunk in subjects.chunks]
    marked = pa.chunked_array(chunks, pa.bool_()).combine_chunks()
    return marked if marked.true_count else None


def _mark_chunk(chunk: pa.Array, tokens: pa.Array) -> pa.Array:
    if not pa.types.is_dictionary(chunk.type):
        return pc.is_in(chunk, value_set=tokens)
    wanted = pc.is_in(chunk.dictionary, value_set=tokens)
    if not wanted.true_count:
        return pa.array(np.zeros(len(chunk), np.bool_))
    return wanted.take(chunk.indices).fill_null(False)


def _count(table: StoredTable, file: PartFile, tokens: pa.Array) -> int:
    with table.storage.open_part(file.path) as source:
        return sum(mark.true_count for mark in marks_of(source, tokens) if mark is not None)
