"""The opt-out list packed: a record of 24 bytes for each account, sorted by token.

A record is the token's 16 bytes and one number: when the account opted out (microseconds since
1970), or `-1 - n`, if its standing is more than that and stands as a line of the list at byte n
behind the records. A process keeps the first four bytes of each token in memory, which tell nearly
always that an account is not on the list; only what may be on it is read. The bytes are read
where they are, never mapped: whoever truncates a mapped file ends the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.errors import OptOutStale
from pipeline.io.standings.entries import decode
from pipeline.io.standings.lines import (
    GONE,
    Halves,
    Numbers,
    StandingColumns,
    halves,
    ordinary,
    token_of,
)
from pipeline.privacy.memo import Memo
from pipeline.privacy.optout import Standing

RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("since", "<i8")])
CHUNK = 1 << 18
"""Records to hold at a time."""
LONGEST_LINE = 1 << 20
FIRST_READ = 1024

Read = Callable[[int, int], bytes]
"""Bytes of the records, and of the lines behind them: from where, and how many."""
Found = tuple[Standing | None]


class PackedStandings:
    """Such records, for look-ups; they never change."""

    def __init__(self, read: Read, count: int, firsts: npt.NDArray[np.uint32], out: int) -> None:
        """`firsts` are the first four bytes of each token, `out` how many records are ordinary."""
        self.out = out
        self._read = read
        self._count = count
        self._firsts = firsts
        self._memo: Memo[str, Found] = Memo(self._search)

    def __len__(self) -> int:
        return self._count

    def find(self, tokens: Sequence[str]) -> list[Standing | None]:
        """Return the standing of each of these distinct tokens; None for one that is not there."""
        if not self._count:
            return [None] * len(tokens)
        return [found for (found,) in self._memo.get(tokens)]

    def chunk(self, begin: int, count: int) -> tuple[Halves, Halves, Numbers]:
        """Return tokens and numbers of records from `begin` on, so many of them at most."""
        count = min(count, self._count - begin)
        size = RECORD.itemsize
        content = self._read(begin * size, count * size)
        if len(content) < count * size:
            raise _damaged()
        return columns_of(content)

    def line(self, number: int) -> bytes:
        """Return the line that a negative number stands for."""
        at = self._count * RECORD.itemsize - 1 - number
        size = FIRST_READ
        while size <= LONGEST_LINE:
            line, feed, _ = self._read(at, size).partition(b"\n")
            if feed:
                return line
            size *= 2
        raise _damaged()

    def tokens(self) -> Iterator[str]:
        """Yield every token, in order."""
        for begin in range(0, self._count, CHUNK):
            high, low, _ = self.chunk(begin, CHUNK)
            yield from map(token_of, high.tolist(), low.tolist())

    def unusual(self) -> Iterator[tuple[str, Standing]]:
        """Yield every token whose standing is more than one opt-out, with it."""
        for begin in range(0, self._count, CHUNK):
            _, _, since = self.chunk(begin, CHUNK)
            for number in since[since < 0].tolist():
                yield decode(self.line(number))

    def _search(self, tokens: Sequence[str]) -> list[Found]:
        found: list[Found] = [(None,)] * len(tokens)
        high, low = halves(tokens)
        firsts = firsts_of(high)
        order = np.argsort(firsts)
        begins = np.empty(len(firsts), np.intp)
        # In order, because one search then finds in the cache what the one before it read.
        begins[order] = self._firsts.searchsorted(firsts[order])
        beyond = np.minimum(begins, self._count - 1)
        for at in np.flatnonzero(self._firsts[beyond] == firsts).tolist():
            found[at] = (self._look(int(begins[at]), int(high[at]), int(low[at])),)
        return found

    def _look(self, begin: int, high: int, low: int) -> Standing | None:
        """Compare the records that begin with the same four bytes."""
        first, size = high >> 32, RECORD.itemsize
        while begin < self._count and self._firsts[begin] == first:
            record = self._read(begin * size, size)
            if len(record) < size or record[:4] != first.to_bytes(4, "big"):
                raise _damaged()
            highs, lows, since = columns_of(record)
            if (int(highs[0]), int(lows[0])) == (high, low):
                number = int(since[0])
                return ordinary(number) if number >= 0 else decode(self.line(number))[1]
            begin += 1
        return None


NOTHING = PackedStandings(lambda _, __: b"", 0, np.zeros(0, np.uint32), 0)


def _damaged() -> OptOutStale:
    return OptOutStale(
        "The snapshot of the opt-out list was changed while it was in use",
        remedy="Run again: it is made again from the list.",
    )


def columns_of(content: bytes) -> tuple[Halves, Halves, Numbers]:
    """Return the columns of records."""
    records = np.frombuffer(content, RECORD)
    return (
        records["high"].astype(np.uint64),
        records["low"].astype(np.uint64),
        records["since"].astype(np.int64),
    )


def firsts_of(high: Halves) -> npt.NDArray[np.uint32]:
    """Return the first four bytes of tokens as numbers."""
    return (high >> np.uint64(32)).astype(np.uint32)


class Merge:
    """Records of a base and of newer entries as one stream of bytes, then the lines behind them.

    A newer entry replaces that of its token, or removes it; nothing of what is replaced or
    removed is left. `count`, `out` and `size` are known when `records` is exhausted.
    """

    def __init__(self, base: PackedStandings, newer: StandingColumns) -> None:
        self._base, self._newer = base, newer
        self._lines: list[bytes] = []
        self._room = 0
        self.count = self.out = 0

    def records(self) -> Iterator[bytes]:
        """Yield the records, in order."""
        newer = self._newer
        since = newer.since.copy()
        for at in np.flatnonzero((since < 0) & (since != GONE)).tolist():
            since[at] = self._keep(newer.lines[-1 - int(since[at])])
        begin = taken = 0
        while begin < len(self._base):
            high, low, numbers = self._whole_chunk(begin)
            begin += len(high)
            last = begin == len(self._base)
            upto = len(newer) if last else int(newer.high.searchsorted(high[-1], "right"))
            mine = slice(taken, upto)
            taken = upto
            numbers, places, fresh = self._replaced(
                (high, low, numbers), (newer.high[mine], newer.low[mine], since[mine])
            )
            yield self._packed(
                np.insert(high, places, newer.high[mine][fresh]),
                np.insert(low, places, newer.low[mine][fresh]),
                np.insert(numbers, places, since[mine][fresh]),
            )
        for start in range(taken, len(newer), CHUNK):
            mine = slice(start, start + CHUNK)
            yield self._packed(newer.high[mine], newer.low[mine], since[mine])

    def lines(self) -> bytes:
        """Return the lines behind the records."""
        return b"".join(self._lines)

    def _whole_chunk(self, begin: int) -> tuple[Halves, Halves, Numbers]:
        """Return a chunk of which no token shares its first half with one of the next chunk."""
        count = CHUNK
        while True:
            high, low, numbers = self._base.chunk(begin, count)
            if begin + len(high) == len(self._base):
                return high, low, numbers
            whole = int(high.searchsorted(high[-1]))
            if whole:
                return high[:whole], low[:whole], numbers[:whole]
            count *= 2

    def _replaced(
        self,
        old: tuple[Halves, Halves, Numbers],
        new: tuple[Halves, Halves, Numbers],
    ) -> tuple[Numbers, npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Return the old records' numbers, and where which of the new ones are to be inserted."""
        (high, low, numbers), (new_high, new_low, since) = old, new
        at: npt.NDArray[np.intp] = np.asarray(high.searchsorted(new_high), np.intp)
        last = len(high) - 1
        while True:
            here = np.minimum(at, last)
            same = (at <= last) & (high[here] == new_high)
            other = same & (low[here] != new_low)
            if not other.any():
                break
            at = np.add(at, other, dtype=np.intp)
        kept = np.ones(len(high), np.bool_)
        kept[at[same]] = False
        for row in np.flatnonzero((numbers < 0) & kept).tolist():
            numbers[row] = self._keep(self._base.line(int(numbers[row])))
        numbers[at[same]] = since[same]
        return numbers, at[~same], ~same

    def _packed(self, high: Halves, low: Halves, since: Numbers) -> bytes:
        known = since != GONE
        records = np.empty(int(known.sum()), RECORD)
        records["high"], records["low"], records["since"] = high[known], low[known], since[known]
        self.count += len(records)
        self.out += int((since >= 0).sum())
        return records.tobytes()

    def _keep(self, line: bytes) -> int:
        self._lines.append(line + b"\n")
        at, self._room = self._room, self._room + len(line) + 1
        return -1 - at


def packed(base: PackedStandings, newer: StandingColumns) -> PackedStandings:
    """Return base and newer entries in memory."""
    merge = Merge(base, newer)
    records = bytearray()
    firsts: list[npt.NDArray[np.uint32]] = []
    for block in merge.records():
        records += block
        firsts.append(firsts_of(columns_of(block)[0]))
    records += merge.lines()
    return PackedStandings(
        lambda at, size: bytes(records[at : at + size]), merge.count, joined(firsts), merge.out
    )


def joined(firsts: Iterable[npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint32]:
    """Return arrays as one."""
    return np.concatenate([np.zeros(0, np.uint32), *firsts])
