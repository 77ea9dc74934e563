"""Text made by column: each value is what Python would have written for its row."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from pipeline.demo.columns import (
    decimal_text,
    hex_text,
    join,
    line_bytes,
    number_text,
    only,
    time_text,
    uuid_text,
    words,
)


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_hex_text_is_what_the_bytes_say(rows: int) -> None:
    found = hex_text(generator(), rows, 5).to_pylist()
    raw = generator().integers(0, 256, size=(rows, 5), dtype=np.uint8)
    assert found == [row.tobytes().hex() for row in raw]


def test_uuids_are_of_version_4_and_differ() -> None:
    found = uuid_text(generator(), 500).to_pylist()
    assert all(uuid.UUID(text).version == 4 and str(uuid.UUID(text)) == text for text in found)
    assert len(set(found)) == 500


def test_numbers_are_decimal_text() -> None:
    values = np.array([0, 7, -12, 10**12])
    assert number_text(values).to_pylist() == ["0", "7", "-12", "1000000000000"]
    hundredths = np.array([0, 5, 1_234])
    assert join(*decimal_text(hundredths)).to_pylist() == ["0.00", "0.05", "12.34"]


def test_times_are_rfc_3339_in_utc_with_milliseconds() -> None:
    moments = [
        datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2026, 2, 28, 0, 0, 0, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 12, 30, 1, 7_000, tzinfo=UTC),
    ]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    values = np.array([(moment - epoch) // timedelta(microseconds=1) for moment in moments])
    assert join(*time_text(values)).to_pylist() == [
        f'"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"' for moment in moments
    ]
    assert join(*time_text(values[:0])).to_pylist() == []


def test_pieces_are_joined_row_by_row() -> None:
    chosen = words(["a", "b"], np.array([1, 0, 1]))
    shown = only(np.array([True, False, True]), chosen)
    assert join('{"x":', '"', chosen, '"', shown, "}").to_pylist() == [
        '{"x":"b"b}',
        '{"x":"a"}',
        '{"x":"b"b}',
    ]


def test_the_bytes_of_lines_are_found_in_a_slice_too() -> None:
    lines = words(["one\n", "three\n"], np.array([0, 1, 0])).slice(1)
    offsets, data = line_bytes(lines)
    texts = [bytes(data[a:b]) for a, b in pairwise(offsets)]
    assert texts == [b"three\n", b"one\n"]
