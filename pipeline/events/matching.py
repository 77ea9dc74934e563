"""Proves for a whole block at once which messages have a layout, and takes their values out.

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
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.events.layouts import Layout
from pipeline.events.lines import Lines
from pipeline.events.model import Offsets
from pipeline.events.numerals import LONGEST, read_numerals
from pipeline.events.schema import TEXT_TYPES, EventSchema, FieldType

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Span = tuple[Offsets, Offsets]
"""Where something begins and ends in the block, for each of the messages looked at."""


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


def match_layout(
    schema: EventSchema, layout: Layout, block: Block, rows: Offsets
) -> tuple[Offsets, list[pa.Array]]:
    """Which of the messages `rows` (plain, of `layout.quotes` quotes) have the layout.

    Returns them with one array for each field of the schema, in JSON's types: times are texts.
    """
    slots = _spans(layout, block, rows)
    same = _same_constants(layout, block, rows, slots)
    if not same.all():
        rows = rows[same]
        slots = [(start[same], stop[same]) for start, stop in slots]
    if not len(rows):
        return rows, []
    good = np.ones(len(rows), np.bool_)
    found: dict[int, list[Span]] = {}
    numbers: dict[int, pa.Array] = {}
    for slot, span in zip(layout.slots, slots, strict=True):
        if slot.text:
            if slot.field is not None:
                found.setdefault(slot.field, []).append(span)
            continue
        whole = slot.field is not None and schema.fields[slot.field].type is FieldType.INT64
        start, stop = span
        good &= stop - start <= LONGEST
        texts = _texts(block, start, np.minimum(stop, start + LONGEST))
        values, fine = read_numerals(texts, pa.int64() if whole else pa.float64())
        if fine is not None:
            good &= fine
        if slot.field is not None:
            numbers[slot.field] = values
    columns = []
    for at, field in enumerate(schema.fields):
        if at in numbers:
            columns.append(numbers[at])
        elif field.type is FieldType.LIST and (at in found or at in layout.empty_lists):
            columns.append(_lists(block, found.get(at, []), len(rows)))
        elif at in found:
            columns.append(_texts(block, *found[at][0]))
        else:
            columns.append(_constant(schema, at, len(rows)))
    if good.all():
        return rows, columns
    keep = pa.array(good)
    return rows[good], [column.filter(keep) for column in columns]


def _spans(layout: Layout, block: Block, rows: Offsets) -> list[Span]:
    """Each slot's span."""
    first = block.first[rows]
    spans: list[Span] = []
    for slot in layout.slots:
        start = block.quotes[first + slot.quote] + (1 + slot.after)
        if slot.quote + 1 < layout.quotes:
            stop = block.quotes[first + (slot.quote + 1)] - slot.before
        else:
            stop = block.ends[rows] - slot.before
        spans.append((start, stop))
    return spans


def _same_constants(layout: Layout, block: Block, rows: Offsets, slots: list[Span]) -> Flags:
    """Which messages have their slots in order, with the layout's constants around them."""
    begins = block.lines.bounds[rows]
    between = [(left[1], right[0]) for left, right in pairwise(slots)]
    around = [(begins, slots[0][0]), *between, (slots[-1][1], block.ends[rows])]
    good = np.ones(len(rows), np.bool_)
    for (start, stop), constant in zip(around, layout.constants, strict=True):
        good &= stop - start == len(constant)
    for start, stop in slots:
        good &= stop >= start
    for (start, _), constant in zip(around, layout.constants, strict=True):
        if not good.any():
            break
        safe = start if good.all() else np.where(good, start, begins)
        good &= _equal(block.content, safe, constant)
    return good


def _equal(content: Bytes, starts: Offsets, constant: bytes) -> Flags:
    """Where `content[start:start + len(constant)]` is `constant`."""
    size = len(constant)
    windows: npt.NDArray[np.void] = np.ndarray(
        (len(content) - size + 1,), f"V{size}", content, 0, (1,)
    )
    found = windows[np.minimum(starts, len(windows) - 1)].view(np.uint8)
    wanted = np.full(len(starts), np.void(constant), f"V{size}").view(np.uint8)
    if np.array_equal(found, wanted):
        return np.ones(len(starts), np.bool_)
    same: Flags = (found == wanted).reshape(-1, size).all(axis=1)
    return same


def _texts(block: Block, starts: Offsets, stops: Offsets) -> pa.StringArray:
    """The spans as texts: every second element of an array laid over the block itself."""
    count = len(starts)
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2] = starts
    offsets[1::2] = stops
    offsets[-1] = stops[-1]
    laid = pa.Array.from_buffers(
        pa.string(), 2 * count, [None, pa.py_buffer(offsets), block.lines.buffer]
    )
    return laid.take(pa.array(np.arange(0, 2 * count, 2)))


def _lists(block: Block, items: list[Span], count: int) -> pa.ListArray:
    """Lists of as many texts as there are spans for each message."""
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * len(items))
    if not items:
        return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))
    starts = np.stack([start for start, _ in items], axis=1).ravel()
    stops = np.stack([stop for _, stop in items], axis=1).ravel()
    return pa.ListArray.from_arrays(offsets, _texts(block, starts, stops))


def _constant(schema: EventSchema, at: int, count: int) -> pa.Array:
    """The column of a field that has no slot: event, version, or nothing reported."""
    field = schema.fields[at]
    if field.name == "event":
        return pa.repeat(schema.event, count)
    if field.name == "version":
        return pa.repeat(pa.scalar(schema.version, pa.int64()), count)
    return pa.nulls(count, pa.string() if field.type in TEXT_TYPES else schema.raw[at].type)
