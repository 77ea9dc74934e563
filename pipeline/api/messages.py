"""Messages in memory as a slice, as decoding takes it: lines, or the rows of a record batch.

Rows become lines of JSON first, so that they are judged by the same rules as lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.events.model import Slice
from pipeline.events.schema import EventSchema
from pipeline.ops.trial import slice_of

MOST_BYTES = 256 << 20
"""The most that is anonymized in one call: a column of text holds 2 GiB."""

_LINE_FEED = b"\n"


def split_lines(text: bytes) -> list[bytes]:
    r"""Return the lines of a text. Blank ones are left out, as they are in a file.

    >>> split_lines(b"one\r\n\ntwo")
    [b'one\r', b'two']
    """
    return [line for line in text.split(_LINE_FEED) if line.strip(b"\r")]


def limited_slice(messages: Iterable[bytes], event: str) -> Slice:
    """Return messages as one slice. Raises UsageError for more than `MOST_BYTES`."""
    held = list(messages)
    if sum(map(len, held)) > MOST_BYTES:
        raise UsageError(
            "Too much for one call", remedy=f"Pass at most {MOST_BYTES >> 20} MiB at a time"
        )
    return slice_of(held, event)


def lines_of_rows(rows: pa.RecordBatch, schema: EventSchema) -> Iterator[bytes]:
    """Yield each row as a line of JSON: declared fields that are not null, nothing else.

    Where `event` and `version` are not columns, the rows are of this schema. Raises UsageError
    for a declared column of a type that no field has, before the first line.
    """
    declared = [field.name for field in schema.fields if field.name in rows.schema.names]
    for name in declared:
        _check_type(name, rows.schema.field(name).type)
    constant = {"event": schema.event, "version": schema.version}
    given = {name: value for name, value in constant.items() if name not in declared}
    for row in rows.select(declared).to_pylist():
        values = {name: _plain(value) for name, value in row.items() if value is not None}
        yield json.dumps(given | values, ensure_ascii=False).encode()


def _check_type(name: str, kind: pa.DataType) -> None:
    inner = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_list(kind) else kind
    accepted = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_timestamp,
        pa.types.is_date,
        pa.types.is_null,
    )
    if not any(test(inner) for test in accepted):
        raise UsageError(
            "A column is of a type that no field has",
            where=name,
            why=f"it is {kind}",
            remedy="Pass text, numbers, booleans, timestamps, dates, or lists of text",
        )


def _plain(value: object) -> object:
    """Return a value as JSON has it; a time without zone is UTC, as it is everywhere."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else value
