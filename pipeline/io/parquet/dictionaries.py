"""Text as dictionary and codes: how rows are copied without being decoded.

A dictionary outlives the rows that needed it: after a selection it still holds the values of rows
that are no longer there, and a Parquet writer would write them all. `tidy` removes them.

Codes have four bytes where rows come from files. `joined` makes them as short as the values of a
column allow: rows take two thirds of the memory, and are gathered in two thirds of the time.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.io.parquet.encoding import UNIQUE_COLUMNS

GLANCE = 4_096
"""Rows of a column that are examined first: all values of closed lists occur within them."""


def coded(schema: pa.Schema) -> pa.Schema:
    """Return the schema with dictionary types where `open_part` reads dictionaries."""
    kind = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            field.with_type(kind)
            if pa.types.is_string(field.type) and field.name not in UNIQUE_COLUMNS
            else field
            for field in schema
        ]
    )


def joined(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """Return all rows with one chunk, one dictionary and short codes for each column.

    `batches` have the given schema (`coded`), and the list is emptied: each column is given back
    before the next is joined.
    """
    loose = [[batch.column(place) for batch in batches] for place in range(len(schema))]
    batches.clear()
    columns = []
    for number, kind in enumerate(schema.types):
        column = pa.chunked_array(loose[number], kind)
        loose[number] = []
        if pa.types.is_dictionary(kind):
            columns.append(_shortened(column.unify_dictionaries().combine_chunks()))
        else:
            columns.append(column.combine_chunks())
    fields = [one.with_type(column.type) for one, column in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _shortened(column: pa.DictionaryArray) -> pa.DictionaryArray:
    size = len(column.dictionary)
    kind = pa.int8() if size < 1 << 7 else pa.int16() if size < 1 << 15 else pa.int32()
    return pa.DictionaryArray.from_arrays(column.indices.cast(kind), column.dictionary)


def widened(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows of `joined` with the codes of the schema again."""
    columns = [
        pa.DictionaryArray.from_arrays(one.indices.cast(pa.int32()), one.dictionary)
        if pa.types.is_dictionary(kind)
        else one
        for one, kind in zip(map(_whole, rows.columns), schema.types, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def tidy(rows: pa.Table) -> pa.Table:
    """Return the same rows with dictionaries that hold only the values in the rows."""
    columns = [
        pa.chunked_array([_compact(chunk) for chunk in column.chunks], column.type)
        if pa.types.is_dictionary(column.type)
        else column
        for column in rows.columns
    ]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _compact(column: pa.DictionaryArray) -> pa.DictionaryArray:
    size = len(column.dictionary)
    if _used(column.indices[:GLANCE], size).all():
        return column
    used = _used(column.indices, size)
    if used.all():
        return column
    renumbered = pa.array(np.cumsum(used) - 1, column.indices.type).take(column.indices)
    return pa.DictionaryArray.from_arrays(renumbered, column.dictionary.filter(pa.array(used)))


def _used(codes: pa.Array, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return for each of `size` values whether a code refers to it."""
    used = np.zeros(size, np.bool_)
    used[codes.drop_null().to_numpy()] = True
    return used
