"""From JSON's types to the schema's: the last step of both columnar paths.

What a columnar path lets through although the strict decoder would not (NaN, numbers beyond
int64, other events and versions, missing fields, lists with holes) is found here on the finished
columns, and those rows are handed back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.model import Offsets, Reason
from pipeline.events.schema import EventSchema, Field, FieldType
from pipeline.events.strict import signal
from pipeline.events.times import parse_dates, parse_times

Flags = npt.NDArray[np.bool_]
_INT64_BOUND: Final = 2.0**63


@dataclass(frozen=True, slots=True, repr=False)
class Parsed:
    """Typed columns of the messages `rows`; `doubtful` messages are left to the strict decoder."""

    rows: Offsets
    columns: list[pa.Array]
    nulled: Counter[tuple[str, str]]
    doubtful: Offsets


def finish(
    schema: EventSchema, arrays: list[pa.Array], rows: Offsets, others: Iterable[pa.Array] = ()
) -> Parsed:
    """Give the columns of screened messages their final types and find the doubtful rows.

    `arrays` hold one column for each field of the schema, in JSON's types (times are texts);
    `others` the columns of undeclared names, which are only looked at.
    """
    doubt = np.zeros(len(rows), np.bool_)
    for array in others:
        if pa.types.is_floating(array.type):
            _doubt_numbers(doubt, array)
    columns: list[pa.Array] = []
    unread: list[tuple[Field, pa.Array]] = []
    for field, array in zip(schema.fields, arrays, strict=True):
        column = _column(field, array, doubt)
        if field.type in (FieldType.TIMESTAMP, FieldType.DATE) and not field.required:
            unread.append((field, array))
        if field.required and column.null_count:
            doubt |= column.is_null().to_numpy(zero_copy_only=False)
        columns.append(column)
    _doubt_others(doubt, schema, columns)
    lost = {field.name: _lost(array, columns, schema, field) for field, array in unread}
    nulled: Counter[tuple[str, str]] = Counter()
    for name, flags in lost.items():
        if flags is not None and (count := int(np.count_nonzero(flags & ~doubt))):
            nulled[name, Reason.INVALID_TIME.value] = count
    if not doubt.any():
        return Parsed(rows, columns, nulled, rows[:0])
    keep = pa.array(~doubt)
    return Parsed(rows[~doubt], [column.filter(keep) for column in columns], nulled, rows[doubt])


def _column(field: Field, array: pa.Array, doubt: Flags) -> pa.Array:
    """The field's final column; rows that need the strict decoder are marked in `doubt`."""
    if field.type in (FieldType.STRING, FieldType.IDENTIFIER):
        return _without_empty(array)
    if field.type is FieldType.TIMESTAMP:
        return parse_times(array)
    if field.type is FieldType.DATE:
        return parse_dates(array)
    if field.type is FieldType.SIGNAL:
        return _signals(array)
    if field.type is FieldType.FLOAT64:
        _doubt_numbers(doubt, array)
    elif field.type is FieldType.LIST:
        _doubt_lists(doubt, array)
    return array


def _lost(
    array: pa.Array, columns: list[pa.Array], schema: EventSchema, field: Field
) -> Flags | None:
    """Which rows had a text that is not the time it should be; None if there is none."""
    column = columns[schema.fields.index(field)]
    if column.null_count == array.null_count:
        return None
    given = pc.greater(pc.fill_null(pc.binary_length(array), 0), 0)
    flags: Flags = pc.and_(given, column.is_null()).to_numpy(zero_copy_only=False)
    return flags


def _doubt_others(doubt: Flags, schema: EventSchema, columns: list[pa.Array]) -> None:
    """Mark rows of another event, or of another version than the newest."""
    for name, expected in (("event", schema.event), ("version", schema.version)):
        column = columns[schema.fields.index(schema.field(name))]
        same = pc.equal(column, pa.scalar(expected, column.type))
        if not pc.all(same, min_count=0, skip_nulls=False).as_py():
            doubt |= ~pc.fill_null(same, False).to_numpy(zero_copy_only=False)


def _doubt_numbers(doubt: Flags, array: pa.DoubleArray) -> None:
    """Mark NaN, infinities, and what may have been an integer beyond int64."""
    values = np.frombuffer(array.buffers()[1], np.float64)[array.offset : array.offset + len(array)]
    with np.errstate(invalid="ignore"):
        fine = np.abs(values) < _INT64_BOUND
    if not fine.all():
        doubt |= ~fine & array.is_valid().to_numpy(zero_copy_only=False)


def _doubt_lists(doubt: Flags, array: pa.ListArray) -> None:
    """Mark lists with a null or an empty text in them."""
    if array.null_count == len(array):
        return
    items = array.flatten()
    if items.null_count or _has_empty(items):
        bad = pc.fill_null(pc.equal(pc.binary_length(items), 0), True)
        parents = array.value_parent_indices().filter(bad)
        doubt[parents.to_numpy(zero_copy_only=False)] = True


def _has_empty(array: pa.StringArray) -> bool:
    offsets = np.frombuffer(array.buffers()[1], np.int32)
    sizes = np.diff(offsets[array.offset : array.offset + len(array) + 1])
    return len(sizes) - int(np.count_nonzero(sizes)) > int(array.null_count)


def _without_empty(array: pa.StringArray) -> pa.StringArray:
    """Empty texts become null: a value is reported or it is not."""
    if array.null_count == len(array) or not _has_empty(array):
        return array
    return pc.if_else(pc.equal(pc.binary_length(array), 0), pa.scalar(None, pa.string()), array)


def _signals(array: pa.StringArray) -> pa.StringArray:
    if array.null_count == len(array):
        return array
    coded = array.dictionary_encode()
    meaning = pa.array([signal(text) for text in coded.dictionary.to_pylist()], pa.string())
    return meaning.take(coded.indices)
