"""Arrange rows of one day in memory: one row for each event token, sorted, in row groups.

Rows that sort alike stand in an order that only `entropy` decides: the order of arrival would
link them to any log that has times. Which of several copies of an event is kept does not depend
on their content.

Columns are handled one after another, and each is given back before the next is gathered: the
peak is the rows themselves, one column more, and a row group on its way out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.schema import EVENT_TOKEN
from pipeline.io.parquet.dictionaries import joined, tidy
from pipeline.io.parquet.encoding import ROWS_PER_GROUP

TOKEN_DIGITS = 32
_KEY = np.dtype(np.uint64)
_MIXERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], _KEY
)
"""Odd numbers: every digit of a token moves the upper half of its hash."""

_MOST_PLACES = 1 << 32
"""More combinations of sorted values are renumbered, so that half of the bits remain for chance."""

Hashes = npt.NDArray[np.uint64]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How rows are arranged."""

    schema: pa.Schema
    """Columns, with dictionary types (`coded`)."""
    sorted_by: Sequence[str]
    entropy: Callable[[int], bytes] = field(repr=False)
    drop_tokens: bool = False
    """Whether the event tokens are null in the result."""
    keep_copies: bool = False
    """Whether every row stays, also one whose event token another row has."""
    known: Callable[[pa.Array], pa.Array] | None = field(default=None, repr=False)
    """Tells of tokens which are stored already, beside these rows: a mask."""

    def groups(self, batches: list[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Yield the arranged rows in row groups; `batches` is emptied.

        Raises ArrowInvalid if an event token has not 32 characters.
        """
        rows = joined(batches, self.schema)
        order = self._order(rows)
        if self.drop_tokens:
            at = rows.schema.get_field_index(EVENT_TOKEN)
            rows = rows.set_column(at, rows.field(at), pa.nulls(rows.num_rows, pa.string()))
        for start in range(0, len(order), ROWS_PER_GROUP):
            yield tidy(rows.take(pa.array(order[start : start + ROWS_PER_GROUP])))

    def _order(self, rows: pa.Table) -> Order:
        """Return which rows remain, in their new order."""
        kept = self._distinct(rows)
        places, size = np.zeros(len(kept), _KEY), 1
        for name in self.sorted_by:
            ranks, values = _ranks(rows[name])
            places *= np.uint64(values)
            places += ranks[kept]
            size *= values
            if size >= _MOST_PLACES:
                places = np.unique(places, return_inverse=True)[1].astype(_KEY)
                size = len(kept)
        # One number orders a row: its place in the upper bits, chance below.
        taken = np.uint64(size.bit_length())
        places <<= np.uint64(64) - taken
        places |= np.frombuffer(self.entropy(len(kept) * _KEY.itemsize), _KEY) >> taken
        return kept[np.argsort(places)]

    def _distinct(self, rows: pa.Table) -> Order:
        """Return the rows without a token, and the first row of each token not known yet."""
        if self.keep_copies:
            return np.arange(rows.num_rows)
        tokens = rows[EVENT_TOKEN].combine_chunks()
        keep = np.ones(len(tokens), np.bool_)
        keep[_copies(tokens)] = False
        if self.known is not None:
            keep &= ~self.known(tokens).fill_null(False).to_numpy(zero_copy_only=False)
        return np.flatnonzero(keep)


def digits(tokens: pa.Array) -> npt.NDArray[np.uint64]:
    """Return the 32 characters of each token as four numbers; those of a null say nothing."""
    fixed = tokens.cast(pa.binary()).cast(pa.binary(TOKEN_DIGITS))
    numbers = np.frombuffer(fixed.buffers()[1] or b"", _KEY, 4 * (fixed.offset + len(fixed)))
    return numbers.reshape(-1, 4)[fixed.offset :]


def hashes(tokens: pa.Array) -> Hashes:
    """Return a hash of each token: equal ones have equal hashes, and all bits are spread."""
    mixed = np.empty(len(tokens), _KEY)
    for start in range(0, len(tokens), ROWS_PER_GROUP):
        part = slice(start, start + ROWS_PER_GROUP)
        np.matmul(digits(tokens[part]), _MIXERS, out=mixed[part])
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MIXERS[0]
    return mixed


def _copies(tokens: pa.Array) -> Order:
    """Return the rows that repeat the token of an earlier row."""
    there = np.flatnonzero(tokens.is_valid().to_numpy(zero_copy_only=False))
    found = hashes(tokens)[there]
    ordered = np.sort(found)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(twice):
        return there[:0]
    suspects = there[pc.is_in(pa.array(found), value_set=pa.array(twice)).to_numpy(False)]
    named = digits(tokens.take(pa.array(suspects))).view(f"V{TOKEN_DIGITS}").ravel()
    _, first = np.unique(named, return_index=True)
    return np.delete(suspects, first)


def _ranks(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint32], int]:
    """Return numbers that sort as the values do, nulls last, and how many there are.

    Texts sort by their bytes.
    """
    values = column.combine_chunks()
    if pa.types.is_list(values.type):
        values = pc.binary_join(values, "\0")
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary).to_numpy()
    ranks = np.empty(len(order) + 1, np.uint32)
    ranks[order] = np.arange(len(order))
    ranks[-1] = len(order)
    codes = coded.indices.cast(pa.int32()).fill_null(len(order)).to_numpy()
    return ranks[codes], len(ranks)
