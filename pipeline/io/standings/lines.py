"""Lines of the opt-out list as columns: a token in two numbers, and what it says in one.

Nearly every line says that an account opted out once and did not change its mind; that is one
time. What is more than that stays a line, and the number says which. Sorted by token, the last
line of a token wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline import native
from pipeline.io.standings.entries import MalformedStanding, decode, encode
from pipeline.privacy.optout import Standing

Halves = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

GONE = int(np.iinfo(np.int64).min)
"""What stands for a token of which nothing is known any more."""
TOKEN_DIGITS = 32


class MalformedLine(Exception):
    """A line is no entry of the list. Holds nothing of the line but its number."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def halves(tokens: Sequence[str]) -> tuple[Halves, Halves]:
    """Return both halves of each token as numbers that sort as its digits do.

    >>> halves(["0000000000000001" "00000000000000ff"])
    (array([1], dtype=uint64), array([255], dtype=uint64))
    """
    both = np.frombuffer(bytes.fromhex("".join(tokens)), ">u8").astype(np.uint64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def token_of(high: int, low: int) -> str:
    """Return the token of two halves.

    >>> token_of(1, 255)
    '000000000000000100000000000000ff'
    """
    return f"{high:016x}{low:016x}"


def ordinary(since: int) -> Standing:
    """Return the standing of an account that opted out once, and did not change its mind."""
    return Standing(intervals=((since, None),))


@dataclass(frozen=True, slots=True, repr=False)
class StandingColumns:
    """Entries sorted by token, each token once."""

    high: Halves
    low: Halves
    since: Numbers
    """Microseconds since 1970 at which the account opted out; `-1 - i` for line i; or GONE."""
    lines: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.high)

    def standing(self, at: int) -> Standing | None:
        """Return what an entry says; None for one that is gone."""
        since = int(self.since[at])
        if since >= 0:
            return ordinary(since)
        return None if since == GONE else decode(self.lines[-1 - since])[1]


def columns_of_changes(changes: Mapping[str, Standing | None]) -> StandingColumns:
    """Return standings by token as columns; None stands for a token that is gone."""
    tokens = sorted(changes)
    high, low = halves(tokens)
    lines: list[bytes] = []

    def number(token: str) -> int:
        standing = changes[token]
        if standing is None:
            return GONE
        since = _since(standing)
        if since is None:
            lines.append(encode(token, standing, 0).encode())
            return -len(lines)
        return since

    since = np.fromiter(map(number, tokens), np.int64, len(tokens))
    return StandingColumns(high, low, since, lines)


@dataclass(slots=True, repr=False)
class LineReader:
    """Collects the lines of blocks, in the order in which they stand in the list."""

    count: int = 0
    """Lines so far, blank ones included."""
    before: int = 0
    """Lines of the list before the first of them."""
    _blocks: list[tuple[Halves, Halves, Numbers]] = field(default_factory=list)
    _lines: list[bytes] = field(default_factory=list)
    _malformed: int | None = None

    def add(self, block: bytes) -> None:
        """Take further whole lines; `columns` says what is wrong with them."""
        high, low, since, others = _columns(block)
        numbers = np.flatnonzero(since == GONE)
        for number, at in zip(numbers.tolist(), range(0, len(others), 2), strict=True):
            line = block[others[at] : others[at + 1]]
            if is_blank(line):
                continue
            try:
                token, standing = decode(line)
            except MalformedStanding:
                if self._malformed is None:
                    self._malformed = self.count + number + 1
                continue
            high[number], low[number] = (int(token[:16], 16), int(token[16:], 16))
            since[number] = self._number(line, standing)
        self.count += len(since)
        known = since != GONE
        if known.all():
            self._blocks.append((high, low, since))
        else:
            self._blocks.append((high[known], low[known], since[known]))

    def forget(self, tokens: Iterable[str]) -> None:
        """Take it that nothing is known of these tokens any more."""
        high, low = halves(list(tokens))
        self._blocks.append((high, low, np.full(len(high), GONE)))

    def columns(self) -> StandingColumns:
        """Return what was collected; to be called once.

        Raises MalformedLine with the number of the first line that is no entry, counted from 1
        in the list.
        """
        if self._malformed is not None:
            raise MalformedLine(self.before + self._malformed)
        blocks, self._blocks = self._blocks, []
        if not blocks:
            return StandingColumns(*halves([]), np.zeros(0, np.int64), ())
        high, low, since = (np.concatenate(column) for column in zip(*blocks, strict=True))
        blocks.clear()
        order = _order(high, low)
        high, low, since = high[order], low[order], since[order]
        last = np.append((high[1:] != high[:-1]) | (low[1:] != low[:-1]), True)
        if not last.all():
            high, low, since = high[last], low[last], since[last]
        return StandingColumns(high, low, since, self._lines)

    def _number(self, line: bytes, standing: Standing) -> int:
        since = _since(standing)
        if since is not None:
            return since
        self._lines.append(line)
        return -len(self._lines)


def _since(standing: Standing) -> int | None:
    """Return the time of a standing that is one opt-out and no more."""
    first = standing.intervals[:1]
    if not first or first[0][1] is not None or first[0][0] < 0 or standing != Standing(first):
        return None
    return first[0][0]


def is_blank(line: bytes) -> bool:
    """Whether a line is what is left of a token that was forgotten."""
    return bool(line) and not line.strip(b" ")


def _columns(block: bytes) -> tuple[Halves, Halves, Numbers, list[int]]:
    """Return the columns of whole lines, and where those start and end that are not ordinary."""
    kernel = native.kernel()
    if kernel is not None:
        high, low, since, others = kernel.standings(block)
        return (
            np.frombuffer(high, np.uint64).copy(),
            np.frombuffer(low, np.uint64).copy(),
            np.frombuffer(since, np.int64).copy(),
            np.frombuffer(others, np.int64).tolist(),
        )
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 0x0A)
    starts = np.append(0, ends + 1)[:-1]
    none = np.zeros(len(ends), np.uint64)
    bounds = np.column_stack((starts, ends)).ravel().tolist()
    return none, none.copy(), np.full(len(ends), GONE), bounds


def _order(high: Halves, low: Halves) -> npt.NDArray[np.intp]:
    """Return the order by token; lines of one token keep theirs."""
    order = np.argsort(high, kind="stable")
    same = high[order[1:]] == high[order[:-1]]
    if (low[order[1:]][same] != low[order[:-1]][same]).any():
        return np.lexsort((low, high))
    return order
