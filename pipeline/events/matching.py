"""Proves for a whole block at once which messages have a layout, and where their values stand.

A message has the layout if and only if

- it has exactly as many quotes, and no backslash or control character, so that what stands
  between two neighbouring quotes is one JSON text or no text at all;
- each slot for a text lies between two neighbouring quotes, each slot for a number holds a JSON
  number, and every byte outside the slots equals the layout's constants.

Then the message is the layout's own JSON with other values; and since the strict decoder
accepted one message of that layout, names that stand twice, nesting, unknown kinds and too many
names are out of the question. What is not proved here is left to the other paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.events.layouts import Layout
from pipeline.events.lines import Lines
from pipeline.events.model import Offsets

COMPARED_BYTES: Final = 64 * 1024
"""Compared at once: more would be given back to the system and fetched anew each time."""

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, repr=False)
class Match:
    """Messages of one layout, and where each slot of theirs begins and ends in the block."""

    rows: Offsets
    starts: Offsets
    """One row for each slot, one column for each message."""
    stops: Offsets

    def part(self, kept: Flags) -> Match:
        """Only some of the messages."""
        if kept.all():
            return self
        return Match(self.rows[kept], self.starts[:, kept], self.stops[:, kept])


@dataclass(frozen=True, slots=True, repr=False)
class Block:
    """A block's bytes, and where its messages and their quotes are."""

    lines: Lines
    content: Bytes
    ends: Offsets
    """End of each message, without its line feed."""
    quotes: Offsets
    """Every quote of the block."""
    first: Offsets
    """For each message, the index in `quotes` of its first one; one more at the end."""
    plain: Flags
    """Messages without backslash and control characters."""


def block_of(lines: Lines) -> Block:
    """Find the quotes of screened messages."""
    content = np.frombuffer(lines.buffer, np.uint8)
    ends = lines.bounds[1:] - 1
    feeds = len(lines)
    if content[-1] != ord("\n"):
        ends[-1] += 1
        feeds -= 1
    plain = np.ones(len(lines), np.bool_)
    if lines.escapes or np.count_nonzero(content < 0x20) != feeds:
        odd = np.flatnonzero((content < 0x20) | (content == ord("\\")))
        inside = np.setdiff1d(odd, ends, assume_unique=True)
        plain[np.searchsorted(lines.bounds, inside, side="right") - 1] = False
    quotes = np.flatnonzero(content == ord('"'))
    return Block(lines, content, ends, quotes, _firsts(quotes, lines.bounds), plain)


def _firsts(quotes: Offsets, bounds: Offsets) -> Offsets:
    """Index of each message's first quote; quick when all have the same number of them."""
    count, rest = divmod(len(quotes), len(bounds) - 1)
    if count and not rest:
        first, last = quotes[::count], quotes[count - 1 :: count]
        if (first >= bounds[:-1]).all() and (last < bounds[1:]).all():
            return np.arange(len(bounds)) * count
    return np.searchsorted(quotes, bounds)


def match_layout(layout: Layout, block: Block, rows: Offsets) -> Match:
    """Which of the messages `rows` (plain, of `layout.quotes` quotes) have the layout.

    What stands in a slot for a number is not read here, but for its first byte.
    """
    match = _spans(layout, block, rows)
    match = match.part(_same_sizes(layout, block, match))
    match = match.part(_same_constants(layout, block, match))
    return match.part(_begin_as_numbers(layout, block, match))


def _spans(layout: Layout, block: Block, rows: Offsets) -> Match:
    """Where the slots are if the messages have the layout."""
    first = block.first[rows]
    after = np.array([1 + slot.after for slot in layout.slots])
    before = np.array([slot.before for slot in layout.slots])
    quotes = np.array([slot.quote for slot in layout.slots])
    starts = block.quotes[first + quotes[:, None]] + after[:, None]
    inner = quotes[quotes + 1 < layout.quotes]
    stops = np.empty_like(starts)
    stops[: len(inner)] = block.quotes[first + (inner[:, None] + 1)]
    stops[len(inner) :] = block.ends[rows]  # only the last slot can end with its message
    stops -= before[:, None]
    return Match(rows, starts, stops)


def _same_sizes(layout: Layout, block: Block, match: Match) -> Flags:
    """Which messages have their slots in order, and what the constants need between them."""
    sizes = np.array([len(constant) for constant in layout.constants])
    good: Flags = np.all(match.stops >= match.starts, axis=0)
    good &= match.starts[0] - block.lines.bounds[match.rows] == sizes[0]
    good &= np.all(match.starts[1:] - match.stops[:-1] == sizes[1:-1, None], axis=0)
    good &= block.ends[match.rows] - match.stops[-1] == sizes[-1]
    return good


def _same_constants(layout: Layout, block: Block, match: Match) -> Flags:
    """Which messages of the right sizes have the layout's constants around their slots."""
    good = np.ones(len(match.rows), np.bool_)
    begins = (block.lines.bounds[match.rows], *match.stops)
    for start, constant in zip(begins, layout.constants, strict=True):
        good &= _equal(block.content, start, constant)
    return good


def _begin_as_numbers(layout: Layout, block: Block, match: Match) -> Flags:
    """Which messages have a digit or a minus where a number is to stand: no literal, no list."""
    good = np.ones(len(match.rows), np.bool_)
    last = len(block.content) - 1
    for slot, start in zip(layout.slots, match.starts, strict=True):
        if not slot.text:
            lead = block.content[np.minimum(start, last)]
            good &= (lead - np.uint8(ord("0")) <= 9) | (lead == ord("-"))
    return good


def _equal(content: Bytes, starts: Offsets, constant: bytes) -> Flags:
    """Where `content[start:start + len(constant)]` is `constant`."""
    size = len(constant)
    windows: npt.NDArray[np.void] = np.ndarray(
        (len(content) - size + 1,), f"V{size}", content, 0, (1,)
    )
    same = np.ones(len(starts), np.bool_)
    wanted = np.frombuffer(constant, np.uint8)
    step = max(1, COMPARED_BYTES // size)
    for low in range(0, len(starts), step):
        part = windows[starts[low : low + step]]
        if part.tobytes() != constant * len(part):
            found = part.view(np.uint8).reshape(-1, size)
            same[low : low + step] = (found == wanted).all(axis=1)
    return same
