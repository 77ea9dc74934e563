"""Messages of a slice as one block of NDJSON, and which of them may enter a columnar parser.

The screens read bytes, not JSON. They make sure that a message is one line that begins with `{`
and ends with `}`, is short, is UTF-8 and has no `\\u` escape. Two consequences carry the whole
columnar path:

- A record cannot run into the next message. After a message's last `}` the parser is either
  between records or inside an object, and then the next message's `{` is an error. So each
  message gives at least one record, and as many records as messages means one each.
- Lone surrogates, NUL, hidden spellings of names, texts over the limit and more than a few
  hundred names cannot occur.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.events.model import Offsets, Slice
from pipeline.events.schema import TEXT_LIMIT

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_OPEN, _CLOSE, _BACKSLASH, _CR = b"{}\\\r"
_BARE_NULL: Final = re.compile(rb"\}[ \t\r\n]*+n")
"""pyarrow 25 has crashed on the bare record `null`; no such record may reach it."""


@dataclass(frozen=True, slots=True, repr=False)
class Lines:
    """Messages one after another in one buffer, a line feed after each but perhaps the last."""

    buffer: pa.Buffer
    bounds: Offsets
    """Message i is `buffer[bounds[i]:bounds[i + 1]]` with its line feed."""
    rows: Offsets
    """Index of each message in the slice, ascending."""
    escapes: bool
    """Whether there may be a backslash in any of them."""

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, start: int, stop: int) -> Lines:
        """Messages start to stop, without copying."""
        low, high = int(self.bounds[start]), int(self.bounds[stop])
        return Lines(
            self.buffer.slice(low, high - low),
            self.bounds[start : stop + 1] - low,
            self.rows[start:stop],
            self.escapes,
        )


def join(parts: list[Lines]) -> Lines:
    """Several parts of one slice, in ascending order, as one block."""
    if len(parts) == 1:
        return parts[0]
    joined = pa.py_buffer(b"".join(memoryview(part.buffer) for part in parts))
    bounds = [np.zeros(1, np.int64)]
    at = 0
    for part in parts:
        bounds.append(part.bounds[1:] + at)
        at += part.buffer.size
    rows = np.concatenate([part.rows for part in parts])
    return Lines(joined, np.concatenate(bounds), rows, any(part.escapes for part in parts))


def lines_of(source: Slice, rows: Offsets) -> Lines:
    """The messages `rows` of a slice (ascending, at least one), copied only if there are gaps."""
    starts, ends = source.starts[rows], source.ends[rows]
    escapes = source.data.find(b"\\", int(starts[0]), int(ends[-1])) >= 0
    gaps = np.flatnonzero(starts[1:] != ends[:-1] + 1)
    if not len(gaps):
        low, high = int(starts[0]), min(int(ends[-1]) + 1, len(source.data))
        bounds = np.append(starts - low, high - low)
        return Lines(pa.py_buffer(source.data).slice(low, high - low), bounds, rows, escapes)
    view = memoryview(source.data)
    firsts = np.concatenate([starts[:1], starts[gaps + 1]]).tolist()
    lasts = np.concatenate([ends[gaps], ends[-1:]]).tolist()
    runs = [view[low:high] for low, high in zip(firsts, lasts, strict=True)]
    bounds = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(ends - starts + 1, out=bounds[1:])
    return Lines(pa.py_buffer(b"\n".join((*runs, b""))), bounds, rows, escapes)


def screen(source: Slice, low: int, high: int) -> Flags:
    """Which of the messages low to high (at least one) may enter a columnar parser."""
    starts, ends = source.starts[low:high], source.ends[low:high]
    data = np.frombuffer(source.data, np.uint8)
    sizes = ends - starts
    sure: Flags = (sizes >= 2) & (sizes <= TEXT_LIMIT)
    if not sure.any():
        return sure
    first, last = data[np.minimum(starts, len(data) - 1)], data[np.maximum(ends - 1, 0)]
    last = np.where(last == _CR, data[np.maximum(ends - 2, 0)], last)
    sure &= (first == _OPEN) & (last == _CLOSE)
    begin, end = int(starts[0]), int(ends[-1])
    if source.data.find(b"\\", begin, end) >= 0:
        slashes = np.flatnonzero(data[begin:end] == _BACKSLASH) + begin
        escapes = slashes[data[np.minimum(slashes + 1, len(data) - 1)] == ord("u")]
        _exclude(sure, ends, escapes)
    if data[begin:end].max() >= 0x80 and not _is_utf8(source.data, begin, end):
        _exclude_malformed(sure, source, low, np.flatnonzero(data[begin:end] >= 0x80) + begin)
    return sure


def bare_nulls(lines: Lines) -> Flags:
    """Which messages may hold a second record that is the bare word `null`."""
    found = np.zeros(len(lines), np.bool_)
    content = np.frombuffer(lines.buffer, np.uint8)
    if np.count_nonzero(content == _CLOSE) > len(lines):
        places = [match.start() for match in _BARE_NULL.finditer(memoryview(lines.buffer))]
        found[np.searchsorted(lines.bounds, places, side="right") - 1] = True
    return found


def _exclude(sure: Flags, ends: Offsets, positions: Offsets) -> None:
    """Clear the flag of the messages in which these bytes stand."""
    hits = np.searchsorted(ends, positions, side="right")
    sure[hits[hits < len(sure)]] = False


def _is_utf8(data: bytes, begin: int, end: int) -> bool:
    """Whether a range is UTF-8 as a whole, decided without copying it."""
    offsets = pa.py_buffer(np.array([0, end - begin], np.int64))
    content = pa.py_buffer(data).slice(begin, end - begin)
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, content])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _exclude_malformed(sure: Flags, source: Slice, low: int, positions: Offsets) -> None:
    ends = source.ends[low : low + len(sure)]
    for hit in np.unique(np.searchsorted(ends, positions, side="right")):
        if hit < len(sure) and not _is_utf8(
            source.data, int(source.starts[low + hit]), int(source.ends[low + hit])
        ):
            sure[hit] = False
