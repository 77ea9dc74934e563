"""Which files of a day that is still open are joined into larger ones.

A commit for each partition and interval makes tens of thousands of files a day, and whoever loads
the table pays for each. So files of similar size are joined once there are 64 of them: the result
has 64 times as many rows or more, so a row is written again three times at most before its file
is left for the seal of the day.

Joining is not sealing: copies of an event stay, as a published count of them is compared with the
files, and the result counts as written when the newest of its files was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from pipeline.io.lake.snapshot import PartFile
from pipeline.io.parquet.encoding import ROWS_PER_GROUP, PartKind

ENOUGH = 64
"""Fewer files of one tier are left alone."""
REST = timedelta(minutes=10)
"""Younger files are left alone: whoever has just listed them can still read them."""
LARGE = ROWS_PER_GROUP
"""A file of so many rows (131,072) is left for the seal of its day."""
MOST_ROWS = 128 * ROWS_PER_GROUP
"""Rows of one join (16 million): it has to be committed within half an hour, as all files are."""
TIER_BITS = 3


def joinable(files: Sequence[PartFile], now: datetime) -> Sequence[PartFile]:
    """Return those files of an open day that are to be joined next; none if they are not enough.

    They are of the lowest tier that has enough: from one power of eight of rows to the next.
    """
    latest = (now - REST).timestamp() * 1000
    tiers: defaultdict[int, list[PartFile]] = defaultdict(list)
    for file in files:
        if file.kind is PartKind.STREAM and file.rows < LARGE and file.added_ms <= latest:
            tiers[tier_of(file.rows)].append(file)
    lowest = min((tier for tier in tiers if len(tiers[tier]) >= ENOUGH), default=None)
    return _first(tiers[lowest]) if lowest is not None else []


def tier_of(rows: int) -> int:
    """Return the tier of a file with so many rows.

    >>> [tier_of(rows) for rows in (1, 7, 8, 63, 64, 448)]
    [0, 0, 1, 1, 2, 2]
    """
    return max(0, rows.bit_length() - 1) // TIER_BITS


def _first(files: Sequence[PartFile]) -> Sequence[PartFile]:
    """Return as many as one join may take, which is at least `ENOUGH`."""
    sums = accumulate(file.rows for file in files)
    return [file for file, rows in zip(files, sums, strict=True) if rows <= MOST_ROWS]
