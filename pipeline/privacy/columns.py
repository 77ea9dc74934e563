"""Arrow columns as the treatments need them: plain on the way in, freshly built on the way out.

A filtered dictionary array still holds the values of dropped rows, and a slice the whole array
that it was cut from. What leaves the privacy stage is therefore rebuilt by the functions
here, from constants and numbers, never from buffers that have held raw text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]

_HEX = np.array(
    [int.from_bytes(f"{byte:02x}".encode(), "little") for byte in range(256)], dtype="<u2"
)
"""The two hex digits of each byte, in memory order."""


def plain(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column as an array of that type, without dictionary and with offset 0.

    Shares memory with the input where it can; it is for reading.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.type != kind:
        column = column.cast(kind)
    if column.offset:
        column = pa.concat_arrays([column, pa.array([], kind)])
    return column


def raw_column(rows: pa.RecordBatch, name: str, kind: pa.DataType) -> pa.Array:
    """The named column of a raw batch, `plain`; all null where the batch does not have it."""
    index = rows.schema.get_field_index(name)
    if index < 0:
        return pa.nulls(rows.num_rows, kind)
    return plain(rows.column(index), kind)


def validity(column: pa.Array) -> Bools | None:
    """Which rows are not null; None if all are."""
    if column.null_count == 0:
        return None
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def numbers(column: pa.Array) -> Numbers:
    """The values of a numeric, date or timestamp column; 0 where null. For reading.

    Whole numbers, days and microseconds are int64, the others float64.
    """
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.view(pa.int64())
    elif pa.types.is_date32(kind):
        column = column.view(pa.int32())
    if column.null_count:
        column = column.fill_null(0)
    values = column.to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return np.asarray(values, dtype=np.float64)
    return np.asarray(values, dtype=np.int64)


class Distinct(NamedTuple):
    """The distinct values of a text column and which of them each row has."""

    values: pa.StringArray
    """Distinct values, without null."""
    codes: Codes
    """Index into `values` for each row; `len(values)` where the row is null."""


def distinct(column: pa.Array) -> Distinct:
    """Distinct values of a plain text column."""
    encoded = column.dictionary_encode()
    indices = encoded.indices
    if column.null_count:
        indices = indices.fill_null(len(encoded.dictionary))
    return Distinct(encoded.dictionary, indices.to_numpy())


def pick(values: Sequence[str | None], codes: npt.NDArray[np.integer]) -> pa.DictionaryArray:
    """A new text column whose row i is `values[codes[i]]`, as codes into the texts that occur.

    The texts are sorted: their order of arrival would tell who came first.
    """
    used = np.flatnonzero(np.bincount(codes, minlength=len(values))).tolist()
    texts = sorted({text for index in used if (text := values[index]) is not None})
    place_of = {text: place for place, text in enumerate(texts)}
    places = np.full(len(values), -1, dtype=np.int32)
    for index in used:
        text = values[index]
        places[index] = -1 if text is None else place_of[text]
    indices = places[codes]
    missing = indices < 0
    mask = missing if missing.any() else None
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32(), mask=mask), pa.array(texts, pa.string())
    )


def decoded(column: pa.Array) -> pa.Array:
    """The column without a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def dtype_of(kind: pa.DataType) -> np.dtype[np.generic]:
    """The numpy type of a numeric Arrow type (`to_pandas_dtype` needs pandas to be installed)."""
    empty: npt.NDArray[np.generic] = pa.array([], kind).to_numpy(zero_copy_only=False)
    return empty.dtype


def with_nulls(values: npt.NDArray[np.generic], valid: Bools | None, kind: pa.DataType) -> pa.Array:
    """A new numeric column that owns its memory; null where `valid` is False."""
    owned = values.astype(dtype_of(kind), copy=True)
    if valid is None:
        return pa.array(owned, kind)
    owned[~valid] = 0  # the value under a null is in memory all the same
    return pa.array(owned, kind, mask=~valid)


def hex_strings(digests: Sequence[bytes], size: int) -> npt.NDArray[np.bytes_]:
    """Hex digits of the first `size` bytes of equally long digests, one fixed-width entry each."""
    if not digests:
        return np.empty(0, dtype=f"S{2 * size}")
    matrix = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), -1)
    return _HEX[matrix[:, :size]].view(f"S{2 * size}").reshape(len(digests))


def fixed_width_column(texts: npt.NDArray[np.bytes_], valid: Bools | None) -> pa.StringArray:
    """A new text column of ASCII entries that all fill their width; null where not `valid`."""
    width, count = texts.dtype.itemsize, len(texts)
    if valid is None:
        offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
        return pa.StringArray.from_buffers(
            count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(texts))
        )
    offsets = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(valid, out=offsets[1:])
    bitmap = np.packbits(valid, bitorder="little")
    return pa.StringArray.from_buffers(
        count,
        pa.py_buffer(offsets * np.int32(width)),
        pa.py_buffer(texts[valid]),
        pa.py_buffer(bitmap),
        int(count - np.count_nonzero(valid)),
    )


def keep_rows(rows: pa.RecordBatch, keep: Bools) -> pa.RecordBatch:
    """Return the rows to keep, in new buffers that have held no other row."""
    columns = [decoded(column) for column in rows.columns]
    fields = [
        field.with_type(column.type) for field, column in zip(rows.schema, columns, strict=True)
    ]
    plain_rows = pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))
    return plain_rows.filter(pa.array(keep))


def text_buffers(column: pa.StringArray) -> tuple[Codes, Bytes]:
    """Offsets (from 0) and bytes of a plain text column; a null is empty. For reading."""
    if column.null_count:
        column = column.fill_null("")
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return np.zeros(len(column) + 1, dtype=np.int32), np.empty(0, dtype=np.uint8)
    bounds = np.frombuffer(offsets, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data or b"", dtype=np.uint8)[bounds[0] : bounds[-1]]
    return bounds - bounds[0], text


def lengths(column: pa.Array) -> npt.NDArray[np.int32]:
    """Length of each text in bytes; 0 where null."""
    found: npt.NDArray[np.int32] = pc.binary_length(column).fill_null(0).to_numpy()
    return found


def pieces(offsets: npt.NDArray[np.integer], size: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows whose content, by its offsets, is about `size` long; no row is cut."""
    low, last = 0, len(offsets) - 1
    while low < last:
        high = int(np.searchsorted(offsets, offsets[low] + size, side="right")) - 1
        high = min(max(high, low + 1), last)
        yield low, high
        low = high
