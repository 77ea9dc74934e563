"""Figures are the same up to the last digits of a sum; nothing equals nothing alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.privacy.figures.equality import numbers, same


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.1 + 0.2, 0.3, True),
        (1e12, 1e12 + 1, True),
        (1.0, 1.000001, False),
        (0, 1e-13, True),
        (0, 1e-6, False),
        (None, None, True),
        (None, 0, False),
    ],
)
def test_two_figures_are_the_same_number_or_not(
    one: float | None, other: float | None, equal: bool
) -> None:
    assert same(pa.array([one], pa.float64()), pa.array([other], pa.float64())).tolist() == [equal]


def test_whole_numbers_are_compared_with_floats() -> None:
    assert same(pa.chunked_array([[1, 2]]), pa.array([1.0, 3.0])).tolist() == [True, False]
    assert numbers(pa.array([1, None])).tolist()[0] == 1.0
