"""Columns leave rebuilt: nothing of what another row or a dictionary held goes along."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from pipeline.privacy.columns import (
    distinct,
    dtype_of,
    fixed_width_column,
    hex_strings,
    keep_rows,
    lengths,
    numbers,
    pick,
    pieces,
    plain,
    raw_column,
    text_buffers,
    validity,
    with_nulls,
)
from tests.privacy_rows import buffers_of

SECRET = "alice@example.com"


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", None, "b"]),
        pa.array(["a", None, "b"]).dictionary_encode(),
        pa.array(["x", "a", None, "b"]).slice(1),
        pa.chunked_array([["a"], [None, "b"]]),
        pa.array(["a", None, "b"], pa.large_string()),
    ],
)
def test_a_column_of_any_form_is_read_the_same(column: pa.Array) -> None:
    found = plain(column, pa.string())
    assert (found.type, found.offset, found.to_pylist()) == (pa.string(), 0, ["a", None, "b"])


def test_a_column_that_a_batch_does_not_have_is_null() -> None:
    rows = batch(a=pa.array(["x", "y"]))
    assert raw_column(rows, "a", pa.string()).to_pylist() == ["x", "y"]
    assert raw_column(rows, "b", pa.int64()).to_pylist() == [None, None]


def test_numbers_are_zero_where_there_is_none() -> None:
    assert numbers(pa.array([5, None], pa.int8())).tolist() == [5, 0]
    assert numbers(pa.array([1.5, None], pa.float32())).dtype == np.float64
    assert numbers(pa.array([3, None], pa.timestamp("us", "UTC"))).tolist() == [3, 0]
    assert numbers(pa.array([3, None], pa.date32())).tolist() == [3, 0]
    assert validity(pa.array([1, 2])) is None
    found = validity(pa.array([1, None]))
    assert found is not None
    assert found.tolist() == [True, False]


def test_distinct_values_are_those_that_occur_and_null_has_the_code_behind_them() -> None:
    found = distinct(pa.array(["b", None, "a", "b"]))
    assert found.values.to_pylist() == ["b", "a"]
    assert found.codes.tolist() == [0, 2, 1, 0]


def test_picked_texts_are_sorted_and_only_those_that_occur() -> None:
    """An order of first occurrence would tell whose row came first."""
    found = pick(["z", "unused", None, "a", "a"], np.array([0, 4, 2, 3, 0], np.int32))
    assert found.to_pylist() == ["z", "a", None, "a", "z"]
    assert found.dictionary.to_pylist() == ["a", "z"]
    assert pick(["a"], np.array([], np.int32)).to_pylist() == []


def test_what_is_behind_a_null_is_not_stored() -> None:
    values = np.array([7, 77, 777])
    column = with_nulls(values, np.array([True, False, True]), pa.int32())
    assert column.to_pylist() == [7, None, 777]
    assert np.frombuffer(column.buffers()[1], np.int32).tolist() == [7, 0, 777]
    values[0] = 1
    assert column.to_pylist()[0] == 7
    assert dtype_of(pa.int16()) == np.int16


@pytest.mark.parametrize("valid", [None, [True, False, True]])
def test_a_fixed_width_column_is_whole_and_empty_where_null(valid: list[bool] | None) -> None:
    texts = np.array([b"aa", b"bb", b"cc"])
    column = fixed_width_column(texts, None if valid is None else np.array(valid))
    assert column.validate(full=True) is None
    assert column.to_pylist() == ["aa", None if valid else "bb", "cc"]
    assert (b"bb" in b"".join(buffer.to_pybytes() for buffer in column.buffers() if buffer)) is (
        valid is None
    )


def test_digests_are_written_as_hex_digits() -> None:
    digests = [bytes(range(16)), bytes(range(240, 256))]
    assert hex_strings(digests, 4).tolist() == [b"00010203", b"f0f1f2f3"]
    assert hex_strings([], 4).tolist() == []


def test_rows_that_stay_share_nothing_with_those_that_go() -> None:
    text = pa.array([SECRET, "kept", SECRET])
    rows = batch(plain=text, coded=text.dictionary_encode())
    kept = keep_rows(rows, np.array([False, True, False]))
    assert kept.to_pylist() == [{"plain": "kept", "coded": "kept"}]
    assert SECRET.encode() not in buffers_of(kept)


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["ab", None, "", "é"]),
        pa.array(["x", "ab", None, "", "é"]).slice(1),
        pa.array([], pa.string()),
        pa.nulls(2, pa.string()),
    ],
)
def test_text_is_given_by_its_bytes_with_nulls_empty(column: pa.Array) -> None:
    bounds, text = text_buffers(column)
    cut = [text[low:high].tobytes() for low, high in pairwise(bounds)]
    assert cut == [(value or "").encode() for value in column.to_pylist()]
    assert lengths(column).tolist() == [len(value) for value in cut]


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([0], []),
        ([0, 3, 6, 9], [(0, 2), (2, 3)]),
        ([0, 100, 101], [(0, 1), (1, 2)]),
        ([5, 5, 5], [(0, 2)]),
    ],
)
def test_pieces_cover_all_rows_and_cut_none(
    offsets: list[int], expected: list[tuple[int, int]]
) -> None:
    assert list(pieces(np.array(offsets), 6)) == expected
