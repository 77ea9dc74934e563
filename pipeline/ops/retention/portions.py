"""Cut the rows of a day into portions that fit in memory: all copies of an event in one of them.

A day that fits is one portion and touches no disk. A larger one is read once and spilled by a
hash of the event token; a row without a token goes anywhere. So memory does not depend on the
size of the day, only disk space does: about 130 bytes a row, below `<state>/spill`.

What is held at once: a slice of rows on their way to the disk, or one portion on its way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.schema import EVENT_TOKEN
from pipeline.io.disk.spill import spill_folder
from pipeline.io.disk.spilled_rows import SpilledRows
from pipeline.io.lake.snapshot import PartFile
from pipeline.io.lake.storage import Storage
from pipeline.io.parquet.dictionaries import joined, tidy, widened
from pipeline.io.parquet.encoding import ROWS_PER_GROUP
from pipeline.ops.retention.arranging import hashes

SLICE_ROWS = 8 * ROWS_PER_GROUP
"""Rows that are cut at once: with fewer, batches on the disk are small and cost more to read."""
PORTIONS = 512
"""No more files than a process may have open; a day of a billion rows has as many portions."""


def read_rows(storage: Storage, files: Sequence[PartFile], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the row groups of files with the columns of a schema (`coded`), text undecoded.

    A column that an older file lacks is null.
    """
    for file in files:
        with storage.open_part(file.path) as source:
            for number in range(source.num_row_groups):
                yield _conformed(source.read_row_group(number, use_threads=False), schema)


def _conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def in_portions(
    rows: Iterator[pa.Table],
    count: int,
    most_bytes: int,
    spill: Path | None,
    entropy: Callable[[int], bytes],
) -> Iterator[list[pa.RecordBatch]]:
    """Yield all rows, of which there are `count`, in portions of about `most_bytes` in memory.

    Without a folder `spill` there is one portion, whatever its size. Raises EnvironmentProblem.
    """
    slices = _slices(rows)
    first = next(slices, [])
    size = sum(batch.nbytes for batch in first) / max(1, sum(batch.num_rows for batch in first))
    needed = ceil(count * size / most_bytes)
    if needed <= 1 or spill is None:
        yield [*first, *(batch for one in slices for batch in one)]
        return
    with (
        spill_folder(spill) as folder,
        SpilledRows(folder or spill, first[0].schema, min(needed, PORTIONS)) as spilled,
    ):
        _cut(first, spilled, entropy)
        for batches in slices:
            _cut(batches, spilled, entropy)
        spilled.finish()
        for portion in range(len(spilled)):
            # What the last portion left in Arrow's pool would add up from portion to portion.
            pa.default_memory_pool().release_unused()
            yield spilled.take(portion)


def _slices(rows: Iterator[pa.Table]) -> Iterator[list[pa.RecordBatch]]:
    """Yield the batches of at least `SLICE_ROWS` rows, which are the caller's to empty."""
    held: list[pa.RecordBatch] = []
    for one in rows:
        held += one.to_batches()
        del one
        if sum(batch.num_rows for batch in held) >= SLICE_ROWS:
            yield held
            held = []
    if held:
        yield held


def _cut(
    batches: list[pa.RecordBatch], spilled: SpilledRows, entropy: Callable[[int], bytes]
) -> None:
    """Append each row of a slice to the portion of its event token; the slice is emptied."""
    schema = batches[0].schema
    rows = joined(batches, schema)
    places = _places(rows[EVENT_TOKEN].combine_chunks(), len(spilled), entropy)
    rows = rows.take(pa.array(np.argsort(places, kind="stable")))
    stops = np.cumsum(np.bincount(places, minlength=len(spilled)))
    for portion, (start, stop) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
        if stop > start:
            spilled.write(portion, widened(tidy(rows.slice(start, stop - start)), schema))


def _places(
    tokens: pa.Array, count: int, entropy: Callable[[int], bytes]
) -> npt.NDArray[np.uint16]:
    """Return the portion of each row."""
    spread = hashes(tokens)
    if tokens.null_count:
        lacking = np.flatnonzero(pc.is_null(tokens).to_numpy(zero_copy_only=False))
        spread[lacking] = np.frombuffer(entropy(len(lacking) * 8), np.uint64)
    scaled = (spread >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)
    return scaled.astype(np.uint16)
