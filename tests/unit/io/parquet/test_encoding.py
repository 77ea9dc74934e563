"""Files hold what the lake promises: row groups, codecs, no trace of tokens beside the data."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.io.package_data import load_schemas
from pipeline.io.parquet.encoding import (
    ROWS_PER_GROUP,
    PartKind,
    part_writer,
    split_by_date,
)

EVENTS = sorted(load_schemas())
TOKENS = {"event_token", "subject", "session", "error_fingerprint"}


def written(table: pa.Table, kind: PartKind) -> pq.ParquetFile:
    sink = pa.BufferOutputStream()
    with part_writer(sink, table.schema, kind) as writer:
        writer.write_table(table, row_group_size=ROWS_PER_GROUP)
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def rows_of(event: str, count: int) -> pa.Table:
    """Rows of an event's stored columns, with a different token in each row."""
    values: dict[str, Any] = {}
    for field in load_schemas()[event][-1].stored:
        if pa.types.is_string(field.type):
            values[field.name] = [f"{row:032x}" for row in range(count)]
        elif pa.types.is_list(field.type):
            values[field.name] = [["a", "b"]] * count
        elif pa.types.is_date(field.type):
            values[field.name] = [date(2026, 11, 24)] * count
        else:
            values[field.name] = [row % 100 for row in range(count)]
    return pa.table(values, schema=load_schemas()[event][-1].stored).drop_columns(["event_date"])


def columns(file: pq.ParquetFile) -> dict[str, Any]:
    group = file.metadata.row_group(0)
    return {
        group.column(index).path_in_schema: group.column(index)
        for index in range(group.num_columns)
    }


@pytest.mark.parametrize("kind", PartKind)
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_keeps_its_rows_types_and_comments(event: str, kind: PartKind) -> None:
    table = rows_of(event, 50)
    file = written(table, kind)
    assert file.read().equals(table)
    stored, meant = file.schema_arrow, table.schema
    assert stored.equals(meant)
    assert [field.metadata for field in stored] == [field.metadata for field in meant]
    assert {column.compression for column in columns(file).values()} == {"ZSTD"}


@pytest.mark.parametrize("kind", PartKind)
@pytest.mark.parametrize("event", EVENTS)
def test_no_footer_names_a_token(event: str, kind: PartKind) -> None:
    file = written(rows_of(event, 50), kind)
    for path, column in columns(file).items():
        assert (column.statistics is None) == (path in TOKENS), path
    unique = columns(file)["event_token"]
    assert not unique.has_dictionary_page


@pytest.mark.parametrize("metadata", [None, {"values": "token"}, {"comment": "of a device"}])
def test_text_that_is_not_said_to_be_of_a_list_is_taken_for_tokens(
    metadata: dict[str, str] | None,
) -> None:
    field = pa.field("device_token", pa.string(), metadata=metadata)
    table = pa.table({"device_token": [f"{row:032x}" for row in range(9)]}, pa.schema([field]))
    assert columns(written(table, PartKind.SEALED))["device_token"].statistics is None
    listed = table.cast(pa.schema([field.with_metadata({"values": "regions"})]))
    assert columns(written(listed, PartKind.SEALED))["device_token"].statistics.has_min_max


def test_a_column_of_lists_is_read_back_with_its_nulls() -> None:
    table = pa.table({"features": pa.array([["a"], [], None, ["b", "c"]], pa.list_(pa.string()))})
    file = written(table, PartKind.STREAM)
    assert file.read().equals(table)


def test_row_groups_hold_128k_rows() -> None:
    table = pa.table({"event_hour": pa.array([1] * (ROWS_PER_GROUP + 5), pa.int8())})
    file = written(table, PartKind.STREAM)
    groups = range(file.metadata.num_row_groups)
    assert [file.metadata.row_group(n).num_rows for n in groups] == [ROWS_PER_GROUP, 5]


def test_rows_are_split_by_day_in_order() -> None:
    days = [date(2026, 11, day) for day in (3, 1, 3, 2, 1)]
    batch = pa.RecordBatch.from_pydict({"event_date": days, "row": [0, 1, 2, 3, 4]})
    split = {day: rows.to_pydict() for day, rows in split_by_date(batch, "event_date")}
    assert split == {
        date(2026, 11, 1): {"row": [1, 4]},
        date(2026, 11, 2): {"row": [3]},
        date(2026, 11, 3): {"row": [0, 2]},
    }
    assert list(split) == sorted(split)


def test_a_batch_of_one_day_is_not_copied() -> None:
    batch = pa.RecordBatch.from_pydict({"event_date": [date(2026, 11, 1)] * 3, "row": [0, 1, 2]})
    ((_, rows),) = split_by_date(batch, "event_date")
    assert rows.column(0).buffers()[1].address == batch.column(1).buffers()[1].address


def test_an_empty_batch_has_no_days() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"event_date": pa.array([], pa.date32()), "row": pa.array([], pa.int64())}
    )
    assert list(split_by_date(batch, "event_date")) == []


def test_a_days_rows_hold_no_text_of_another_day() -> None:
    days = pa.array([0, 1, 0], pa.int32()).view(pa.date32())
    words = pa.array(["first", "second", "first"]).dictionary_encode()
    rows = pa.RecordBatch.from_arrays([days, words], names=["event_date", "word"])
    for day, found in split_by_date(rows, "event_date"):
        word = "first" if day == date(1970, 1, 1) else "second"
        (column,) = found.columns
        assert set(column.to_pylist()) == {word}
        other = b"second" if word == "first" else b"first"
        held = [*column.buffers(), *getattr(column, "dictionary", pa.array([])).buffers()]
        assert not any(other in buffer.to_pybytes() for buffer in held if buffer is not None)
