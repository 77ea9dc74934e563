"""JSON numbers in columns of texts."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.numerals import LONGEST, read_numerals

NEARLY = st.one_of(
    st.from_regex(r"-?[0-9]{0,4}(\.[0-9]{0,3}){0,2}", fullmatch=True),
    st.integers(-(10**19), 10**19).map(str),
    st.floats(-1e9, 1e9).map(repr),
    st.text(st.sampled_from("0123456789.-+eE naif"), max_size=6),
)


def as_json(text: str, kind: type[int] | type[float]) -> int | float | None:
    """The number that a JSON parser reads, if it is one of those read here."""
    if len(text) > LONGEST or not text or set(text) - set("0123456789.-"):
        return None
    try:
        number = json.loads(text)
    except ValueError:
        return None
    if kind is int:
        return number if isinstance(number, int) else None
    return float(number)


@pytest.mark.parametrize(("kind", "arrow"), [(int, pa.int64()), (float, pa.float64())])
@given(texts=st.lists(NEARLY, min_size=1, max_size=6))
def test_a_number_is_what_json_says(
    kind: type[int] | type[float], arrow: pa.DataType, texts: list[str]
) -> None:
    numbers, good = read_numerals(pa.array(texts, pa.string()), arrow)
    assert numbers.type == arrow
    expected = [as_json(text, kind) for text in texts]
    flags = [True] * len(texts) if good is None else good.tolist()
    assert flags == [number is not None for number in expected]
    for number, known, flag in zip(numbers.to_pylist(), expected, flags, strict=True):
        assert not flag or number == known


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    column = pa.array(["x", "1", "-2", "30", "y"])[1:4]
    numbers, good = read_numerals(column, pa.int64())
    assert (numbers.to_pylist(), good) == ([1, -2, 30], None)
