"""JSON lines from columns: text is made for whole columns at once, never row by row.

Each function returns a `pa.Array` of strings with one value per row. Making a line costs about as
much as copying it, which is what lets a laptop produce hundreds of thousands of events a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DAY_US = 86_400_000_000
_HEX_PAIRS = np.frombuffer(
    "".join(f"{value:02x}" for value in range(256)).encode(), dtype=np.uint16
)
_CLOCK = pa.array(
    [f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}." for s in range(86_400)], pa.string()
)
_MILLIS = pa.array([f'{ms:03d}Z"' for ms in range(1000)], pa.string())
_HUNDREDTHS = pa.array([f".{value:02d}" for value in range(100)], pa.string())


def _fixed_width(characters: npt.NDArray[np.uint8]) -> pa.Array:
    rows, width = characters.shape
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters))]
    return pa.StringArray.from_buffers(rows, buffers[1], buffers[2])


def hex_text(random: np.random.Generator, rows: int, size: int) -> pa.Array:
    """Random lower-case hex text of `size` bytes, two digits each."""
    raw = random.integers(0, 256, size=(rows, size), dtype=np.uint8)
    return _fixed_width(_HEX_PAIRS[raw].view(np.uint8).reshape(rows, size * 2))


def uuid_text(random: np.random.Generator, rows: int) -> pa.Array:
    """Random UUIDs, version 4."""
    raw = random.integers(0, 256, size=(rows, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = _HEX_PAIRS[raw].view(np.uint8).reshape(rows, 32)
    text = np.full((rows, 36), ord("-"), dtype=np.uint8)
    text[:, 0:8] = digits[:, 0:8]
    text[:, 9:13] = digits[:, 8:12]
    text[:, 14:18] = digits[:, 12:16]
    text[:, 19:23] = digits[:, 16:20]
    text[:, 24:36] = digits[:, 20:32]
    return _fixed_width(text)


def number_text(values: Ints) -> pa.Array:
    """Whole numbers as decimal text."""
    return pa.array(values).cast(pa.string())


def decimal_text(hundredths: Ints) -> tuple[pa.Array, pa.Array]:
    """Non-negative numbers with two decimals, as two pieces to join."""
    return number_text(hundredths // 100), _HUNDREDTHS.take(pa.array(hundredths % 100))


def time_text(microseconds: Ints) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Times since 1970 as quoted RFC 3339 text in UTC with milliseconds, as pieces to join."""
    days = microseconds // DAY_US
    first = int(days.min()) if len(days) else 0
    last = int(days.max()) if len(days) else 0
    dates = np.datetime_as_string(np.arange(first, last + 1).astype("datetime64[D]"))
    names = pa.array([f'"{date}' for date in dates], pa.string())
    millis = microseconds % DAY_US // 1000
    return (
        names.take(pa.array(days - first)),
        _CLOCK.take(pa.array(millis // 1000)),
        _MILLIS.take(pa.array(millis % 1000)),
    )


def words(choices: Sequence[str] | pa.Array, indices: Ints) -> pa.Array:
    """One of the given texts per row; a long list is better passed as an array, made once."""
    column = choices if isinstance(choices, pa.Array) else pa.array(choices, pa.string())
    return column.take(pa.array(indices))


def join(*pieces: str | pa.Array) -> pa.Array:
    """Join texts and columns of text, row by row."""
    parts: list[Any] = []
    for piece in pieces:
        # Neighbouring constants are one piece: each costs a copy per row.
        if isinstance(piece, str) and parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    return pc.binary_join_element_wise(*parts, "")


def only(mask: Flags, column: pa.Array) -> pa.Array:
    """The column where the mask holds, elsewhere the empty text."""
    return pc.if_else(pa.array(mask), column, "")


def line_bytes(lines: pa.Array) -> tuple[Ints, memoryview]:
    """The lines' text as one buffer, and the offset of each line in it (one more than lines)."""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int32)
    mine = offsets[lines.offset : lines.offset + len(lines) + 1].astype(np.int64)
    return mine, memoryview(lines.buffers()[2])
