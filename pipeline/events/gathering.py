"""Takes the values of matched messages out of their block: one column for each field.

Layouts differ from message to message, fields do not. So what `matching` found is first noted for
every layout of a block, and then each field is read once, for all messages in their order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.events.layouts import Layout
from pipeline.events.matching import Block, Flags, Match
from pipeline.events.model import Offsets
from pipeline.events.numerals import LONGEST, read_numerals
from pipeline.events.schema import TEXT_TYPES, EventSchema, FieldType

_FIXED = ("event", "version")


class Gathering:
    """The spans of all values of a block's messages, as far as their layouts are known."""

    def __init__(self, schema: EventSchema, block: Block) -> None:
        self._schema = schema
        self._block = block
        self._matched = np.zeros(len(block.ends), np.bool_)
        self._starts: dict[int, Offsets] = {}
        self._stops: dict[int, Offsets] = {}
        self._lists: dict[int, list[tuple[Offsets, Offsets, Offsets]]] = {}

    def add(self, layout: Layout, match: Match) -> None:
        """Note where the values of these messages stand."""
        self._matched[match.rows] = True
        items: dict[int, list[int]] = {field: [] for field in layout.empty_lists}
        for at, slot in enumerate(layout.slots):
            if slot.field is None:
                if not slot.text:
                    _, good = self._numbers(match.starts[at], match.stops[at], pa.float64())
                    self._matched[match.rows[~good]] = False
            elif self._schema.fields[slot.field].type is FieldType.LIST:
                items.setdefault(slot.field, []).append(at)
            else:
                if slot.field not in self._starts:
                    self._starts[slot.field] = np.full(len(self._matched), -1)
                    self._stops[slot.field] = np.zeros(len(self._matched), np.int64)
                self._starts[slot.field][match.rows] = match.starts[at]
                self._stops[slot.field][match.rows] = match.stops[at]
        for field, slots in items.items():
            found = (match.rows, match.starts[slots], match.stops[slots])
            self._lists.setdefault(field, []).append(found)

    def columns(self) -> tuple[Offsets, list[pa.Array]]:
        """The messages that were matched, ascending, and one array for each field of the schema.

        The arrays are of JSON's types: times are texts. A message with something else where a
        number is to stand is not among them.
        """
        numbers = {
            at: self._number_field(at)
            for at, field in enumerate(self._schema.fields)
            if at in self._starts and field.type in (FieldType.INT64, FieldType.FLOAT64)
        }
        rows = np.flatnonzero(self._matched)
        columns = []
        for at, field in enumerate(self._schema.fields):
            if at in numbers:
                columns.append(_numbers_of(numbers[at], self._starts[at], rows))
            elif at in self._lists:
                columns.append(self._list_field(at, rows))
            elif at in self._starts:
                columns.append(_texts(self._block, self._starts[at][rows], self._stops[at][rows]))
            elif field.name in _FIXED:
                value = self._schema.event if field.name == "event" else self._schema.version
                columns.append(pa.repeat(pa.scalar(value, self._schema.raw[at].type), len(rows)))
            else:
                kind = pa.string() if field.type in TEXT_TYPES else self._schema.raw[at].type
                columns.append(pa.nulls(len(rows), kind))
        return rows, columns

    def _number_field(self, at: int) -> npt.NDArray[np.generic]:
        """A number for each message of the block; those that have none there are arbitrary."""
        rows = np.flatnonzero(self._matched & (self._starts[at] >= 0))
        kind = self._schema.raw[at].type
        values, good = self._numbers(self._starts[at][rows], self._stops[at][rows], kind)
        self._matched[rows[~good]] = False
        whole = np.zeros(len(self._matched), values.dtype)
        whole[rows] = values
        return whole

    def _numbers(
        self, starts: Offsets, stops: Offsets, kind: pa.DataType
    ) -> tuple[npt.NDArray[np.generic], Flags]:
        good = stops - starts <= LONGEST
        texts = _texts(self._block, starts, np.minimum(stops, starts + LONGEST))
        values, fine = read_numerals(texts, kind)
        return values.to_numpy(zero_copy_only=False), good if fine is None else good & fine

    def _list_field(self, at: int, rows: Offsets) -> pa.ListArray:
        count = len(self._matched)
        sizes = np.full(count, -1)
        for found, starts, _ in self._lists[at]:
            sizes[found] = len(starts)
        sizes[~self._matched] = -1
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(np.maximum(sizes, 0), out=offsets[1:])
        item_starts, item_stops = np.zeros((2, offsets[-1]), np.int64)
        for found, starts, stops in self._lists[at]:
            kept = self._matched[found]
            for item, (start, stop) in enumerate(zip(starts, stops, strict=True)):
                places = offsets[found[kept]] + item
                item_starts[places], item_stops[places] = start[kept], stop[kept]
        ends = np.append(offsets[rows], offsets[-1]).astype(np.int32)
        absent = sizes[rows] < 0
        return pa.ListArray.from_arrays(
            pa.array(ends),
            _texts(self._block, item_starts, item_stops),
            mask=pa.array(absent) if absent.any() else None,
        )


def _numbers_of(
    values: npt.NDArray[np.generic], starts: Offsets, rows: Offsets
) -> pa.Int64Array | pa.DoubleArray:
    absent = starts[rows] < 0
    return pa.array(values[rows], mask=absent if absent.any() else None)


def _texts(block: Block, starts: Offsets, stops: Offsets) -> pa.StringArray:
    """The spans as texts, null where one begins below 0.

    They are every second element of an array laid over the block itself.
    """
    count = len(starts)
    absent = starts < 0
    gaps = bool(absent.any())
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0:-1:2] = np.where(absent, stops, starts) if gaps else starts
    offsets[1::2] = stops
    offsets[-1] = block.lines.buffer.size
    valid = None
    if gaps:
        valid = pa.py_buffer(np.packbits(np.repeat(~absent, 2), bitorder="little"))
    laid = pa.Array.from_buffers(
        pa.string(), 2 * count, [valid, pa.py_buffer(offsets), block.lines.buffer]
    )
    return laid.take(pa.array(np.arange(0, 2 * count, 2)))
