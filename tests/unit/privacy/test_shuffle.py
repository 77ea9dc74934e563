"""Rows in random order."""

from __future__ import annotations

import os
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pipeline.privacy.shuffle import shuffled

ROWS = pa.RecordBatch.from_pydict(
    {"number": list(range(2_000)), "text": [str(number) for number in range(2_000)]}
)


def test_a_shuffle_keeps_every_row_whole() -> None:
    found = shuffled(ROWS, os.urandom)
    assert sorted(found["number"].to_pylist()) == ROWS["number"].to_pylist()
    assert [str(number) for number in found["number"].to_pylist()] == found["text"].to_pylist()


def test_a_shuffle_leaves_nothing_of_the_order_of_arrival() -> None:
    numbers = shuffled(ROWS, os.urandom)["number"].to_pylist()
    rises = sum(a < b for a, b in pairwise(numbers))
    assert 850 < rises < 1_150  # 1,000 +- 13; every pair of neighbours rose on arrival
    assert abs(float(np.corrcoef(numbers, range(2_000))[0, 1])) < 0.15


def test_the_order_is_decided_by_the_given_bytes_alone() -> None:
    keys = np.array([3, 1, 2], dtype=np.uint64).tobytes()
    assert shuffled(ROWS.slice(0, 3), lambda size: keys[:size])["number"].to_pylist() == [1, 2, 0]


def test_no_rows_need_no_bytes() -> None:
    assert shuffled(ROWS.slice(0, 0), lambda size: b"").num_rows == 0
