"""What each account contributed to each cell, in arrays: the release gate's arithmetic begins here.

Several rows of one account and cell are added up without sorting where a place for every
possible pair fits in memory; there are tens of millions of rows in a first rollup.

Pure: Arrow tables in, arrays out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.schema import SUBJECT

START = "start"
"""Column that names the window; every window is a table of its own."""

PLACES = 1 << 24
"""This many pairs of cell and account always get a place each; more only if there are many rows."""

PLACES_PER_ROW = 16

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Numbers = Ints | Floats


@dataclass(frozen=True, slots=True)
class AccountTally:
    """What each account contributed to each cell.

    `keys`: one row per cell (start and dimensions), in their order. `cell`, `account`, `events`:
    one entry per cell and account, in any order; account 0 stands for events without one.
    `amounts`: what else was added up, by name. `subjects`: the accounts from 1 on, as they came.
    """

    keys: pa.Table
    cell: Ints
    account: Ints
    events: Ints
    amounts: Mapping[str, Floats] = field(default_factory=dict)
    subjects: pa.Array = field(default_factory=lambda: pa.array([], pa.int64()))

    def of_cells(self, wanted: Bools) -> AccountTally:
        """The entries of some cells, sorted by cell, without what else was added up."""
        rows = np.flatnonzero(wanted[self.cell])
        cell = self.cell[rows]
        few = np.uint16 if len(wanted) < 1 << 16 else np.int64
        order = np.argsort(cell.astype(few), kind="stable")
        rows = rows[order]
        return AccountTally(self.keys, cell[order], self.account[rows], self.events[rows])

    def moved(self, target: Ints, keys: pa.Table) -> AccountTally:
        """The same entries with cell n as `target[n]`, a row of `keys`; -1 leaves it out."""
        kept = np.flatnonzero(target[self.cell] >= 0)
        columns: list[Numbers] = [
            self.events[kept],
            *(column[kept] for column in self.amounts.values()),
        ]
        cell, account, added = _added(
            target[self.cell[kept]], self.account[kept], columns, len(self.subjects) + 1
        )
        return _tally(keys, cell, account, added, self.amounts, self.subjects)


def tally(
    contributions: pa.Table, dimensions: Sequence[str], amounts: Sequence[str] = ()
) -> AccountTally:
    """Read contributions as `gate.admit` describes them."""
    cell = np.zeros(contributions.num_rows, np.int64)
    labels: list[pa.Array] = []
    for name in (START, *dimensions):
        codes, values = _codes(contributions[name])
        if len(values) > 1:
            cell *= len(values)
            cell += codes
        labels.append(values)
    del codes
    seen = np.flatnonzero(np.bincount(cell))
    if len(seen) and len(seen) <= seen[-1]:
        number = np.empty(seen[-1] + 1, np.int64)
        number[seen] = np.arange(len(seen))
        cell = number[cell]
    names: list[pa.Array] = []
    left = seen
    for values in reversed(labels):
        left, code = np.divmod(left, max(len(values), 1))
        names.append(values.take(pa.array(code)))
    keys = pa.table(dict(zip((START, *dimensions), reversed(names), strict=True)))
    subjects = _encoded(contributions[SUBJECT])
    account = pc.fill_null(subjects.indices, -1) if subjects.null_count else subjects.indices
    numbers = account.to_numpy().astype(np.int64) + 1
    sums = [contributions[name].to_numpy() for name in ("events", *amounts)]
    cell, numbers, added = _added(cell, numbers, sums, len(subjects.dictionary) + 1)
    return _tally(keys, cell, numbers, added, amounts, subjects.dictionary)


def _tally(
    keys: pa.Table,
    cell: Ints,
    account: Ints,
    added: Sequence[Numbers],
    names: Iterable[str],
    subjects: pa.Array,
) -> AccountTally:
    amounts = {
        name: column.astype(np.float64) for name, column in zip(names, added[1:], strict=True)
    }
    return AccountTally(keys, cell, account, added[0].astype(np.int64), amounts, subjects)


def _added(
    cell: Ints, account: Ints, columns: Sequence[Numbers], people: int
) -> tuple[Ints, Ints, list[Numbers]]:
    """Add up, column by column, the rows that have cell and account in common."""
    pair = cell * people + account
    places = int(pair.max(initial=0)) + 1
    if places > max(PLACES, PLACES_PER_ROW * len(pair)):
        return _sorted(pair, columns, people)
    row = np.arange(len(pair), dtype=np.int32 if len(pair) < 1 << 31 else np.int64)
    last = np.empty(places, row.dtype)
    last[pair] = row
    final = last[pair]
    """The last row of each row's pair; it takes what the earlier ones hold."""
    del pair, last
    earlier = np.flatnonzero(final != row)
    if not len(earlier):
        return cell, account, list(columns)
    kept = np.flatnonzero(final == row)
    added = []
    for column in columns:
        sums = column.copy()
        np.add.at(sums, final[earlier], column[earlier])
        added.append(sums[kept])
    return cell[kept], account[kept], added


def _sorted(
    pair: Ints, columns: Sequence[Numbers], people: int
) -> tuple[Ints, Ints, list[Numbers]]:
    order = np.argsort(pair)
    pair = pair[order]
    groups = np.flatnonzero(np.append(True, pair[1:] != pair[:-1])) if len(pair) else pair
    cell, account = np.divmod(pair[groups], people)
    added = [np.add.reduceat(column[order], groups) if len(pair) else column for column in columns]
    return cell, account, added


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return pc.dictionary_encode(column.combine_chunks())


def _codes(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Number a column's values in their sorted order, so that equal tables give equal cells.

    A dictionary that names a value twice gives it one number. Returns the values, too.
    """
    encoded = _encoded(column)
    names = pc.dictionary_encode(encoded.dictionary)
    order = pc.array_sort_indices(names.dictionary)
    rank = np.empty(len(order), np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    code = rank[names.indices.to_numpy()]
    return code.take(encoded.indices.to_numpy()), names.dictionary.take(order)
