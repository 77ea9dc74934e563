"""Rows are sorted, shuffled where they sort alike, and each event token is there once."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from pipeline.io.parquet.dictionaries import coded
from pipeline.ops.retention import arranging
from pipeline.ops.retention.arranging import Arrangement, hashes

SCHEMA = coded(
    pa.schema(
        [
            pa.field("event_token", pa.string()),
            pa.field("route", pa.string()),
            pa.field("status", pa.int16()),
            pa.field("features", pa.list_(pa.string())),
        ]
    )
)


def batch(rows: list[tuple[int | None, str | None, int | None]]) -> pa.RecordBatch:
    columns = [
        pa.array([None if token is None else f"{token:032x}" for token, _, _ in rows], pa.string()),
        pa.array([route for _, route, _ in rows], pa.string()).dictionary_encode(),
        pa.array([status for _, _, status in rows], pa.int16()),
        pa.array([[route or ""] for _, route, _ in rows], pa.list_(pa.string())),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def arranged(arrangement: Arrangement, *batches: pa.RecordBatch) -> list[tuple[object, ...]]:
    groups = list(arrangement.groups(list(batches)))
    return [tuple(row.values()) for group in groups for row in group.to_pylist()]


def test_rows_are_sorted_by_values_with_nulls_last() -> None:
    rows = batch(
        [(1, "b", 2), (2, None, 1), (3, "a", None), (4, "é", 1), (5, "a", -7), (6, "a", 3)]
    )
    by = Arrangement(SCHEMA, ["route", "status"], os.urandom)
    found = [row[1:3] for row in arranged(by, rows)]
    assert found == [("a", -7), ("a", 3), ("a", None), ("b", 2), ("é", 1), (None, 1)]
    by = Arrangement(SCHEMA, ["features"], os.urandom)
    assert [row[1] for row in arranged(by, rows)] == [None, "a", "a", "a", "b", "é"]


def test_many_combinations_of_sorted_values_sort_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = batch([(n, f"{n % 17}", n % 13) for n in range(500)])
    by = Arrangement(SCHEMA, ["route", "features", "status"], os.urandom)
    expected = [row[1:3] for row in arranged(by, rows)]
    monkeypatch.setattr(arranging, "_MOST_PLACES", 10)
    assert [row[1:3] for row in arranged(by, rows)] == expected


def test_rows_that_sort_alike_stand_as_chance_says() -> None:
    rows = batch([(n, "a", 1) for n in range(1_000)])
    by = Arrangement(SCHEMA, ["route"], os.urandom)
    first, second = arranged(by, rows), arranged(by, rows)
    assert first != second
    assert sorted(first, key=str) == sorted(second, key=str)


def test_one_row_of_each_token_remains_and_every_row_without() -> None:
    one = batch([(n % 300, "a", n % 5) for n in range(1_000)])
    other = batch([(None, "b", 1), (None, "b", 1), (299, "c", 2), (301, "c", 2)])
    rows = arranged(Arrangement(SCHEMA, ["route"], os.urandom), one, other)
    counts = Counter(row[0] for row in rows)
    assert counts.pop(None) == 2
    assert counts == {f"{n:032x}": 1 for n in [*range(300), 301]}


def test_tokens_whose_hashes_are_equal_are_different_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        arranging, "hashes", lambda tokens: np.full(len(tokens), 7, dtype=np.uint64)
    )
    rows = batch([(1, "a", 1), (2, "a", 1), (1, "a", 1), (3, "a", 1)])
    found = arranged(Arrangement(SCHEMA, ["route"], os.urandom), rows)
    assert sorted(str(row[0]) for row in found) == [f"{n:032x}" for n in (1, 2, 3)]


def test_known_events_are_left_out_and_tokens_dropped_on_request() -> None:
    rows = batch([(1, "a", 1), (2, "b", 1), (None, "c", 1)])

    def known(tokens: pa.Array) -> pa.Array:
        return pa.array([token == f"{1:032x}" for token in tokens.to_pylist()])

    by = Arrangement(SCHEMA, ["route"], os.urandom, drop_tokens=True, known=known)
    assert [row[:2] for row in arranged(by, rows)] == [(None, "b"), (None, "c")]


def test_hashes_of_a_slice_are_those_of_its_tokens_and_spread() -> None:
    tokens = pa.array([f"{n:032x}" for n in range(10_000)])
    found = hashes(tokens)
    assert (hashes(tokens.slice(100, 50)) == found[100:150]).all()
    assert len(set(found.tolist())) == 10_000
    shares = np.bincount((found >> np.uint64(60)).astype(int), minlength=16)
    assert shares.min() > 400


def test_a_token_of_another_length_is_not_understood() -> None:
    with pytest.raises(pa.ArrowInvalid):
        hashes(pa.array(["abc"]))


def test_a_row_that_was_left_out_leaves_no_value_behind() -> None:
    rows = batch([(1, "a", 1), (1, "only-of-the-copy", 1), (2, "b", 1)])
    (group,) = Arrangement(SCHEMA, ["route"], os.urandom).groups([rows])
    assert sorted(group["route"].chunk(0).dictionary.to_pylist()) == ["a", "b"]
