"""Dictionaries hold the values of their rows and no others; codes are as short as they can be."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.io.parquet.dictionaries import coded, joined, tidy, widened

PLAIN = pa.schema(
    [
        pa.field("event_token", pa.string()),
        pa.field("model", pa.string(), metadata={"values": "models"}),
        pa.field("status", pa.int16()),
        pa.field("features", pa.list_(pa.string())),
    ]
)
CODED = coded(PLAIN)


def batch(models: list[str | None]) -> pa.RecordBatch:
    size = len(models)
    columns = [
        pa.array([f"{number:032x}" for number in range(size)]),
        pa.array(models, pa.string()).dictionary_encode(),
        pa.array([number % 500 for number in range(size)], pa.int16()),
        pa.array([[name] if name else None for name in models], pa.list_(pa.string())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=CODED)


def test_texts_are_coded_but_not_those_that_occur_once() -> None:
    assert [pa.types.is_dictionary(kind) for kind in CODED.types] == [False, True, False, False]
    assert CODED.field("model").metadata == {b"values": b"models"}


@pytest.mark.parametrize(
    ("size", "kind"), [(127, pa.int8()), (128, pa.int16()), (32_768, pa.int32())]
)
def test_joined_rows_have_one_dictionary_and_the_shortest_codes(
    size: int, kind: pa.DataType
) -> None:
    names = [None, *map(str, range(size))]
    batches = [batch(names), batch([*reversed(names)])]
    expected = pa.Table.from_batches(batches).to_pylist()
    rows = joined(batches, CODED)
    assert batches == []
    assert rows.schema.field("model").type == pa.dictionary(kind, pa.string())
    assert len(rows["model"].chunk(0).dictionary) == size
    assert rows.to_pylist() == expected
    wide = widened(rows, CODED)
    assert wide.schema == CODED
    assert wide.to_pylist() == expected


def test_nothing_joined_is_nothing() -> None:
    assert joined([], CODED).num_rows == 0


def test_tidied_rows_have_no_value_of_other_rows() -> None:
    rows = joined([batch(["a", "b", None, "c", "a"])], CODED)
    some = tidy(rows.slice(2, 3))
    assert some["model"].to_pylist() == [None, "c", "a"]
    assert sorted(some["model"].chunk(0).dictionary.to_pylist()) == ["a", "c"]
