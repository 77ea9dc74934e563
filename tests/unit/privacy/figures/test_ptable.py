"""The perturbation table's laws, checked on every entry of it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.privacy.figures.ptable import BOUND, ROWS, VARIANCE, WHOLE, noise

STEPS = np.arange(-BOUND, BOUND + 1)
THRESHOLD = 20


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_distribution_that_is_exactly_unbiased(row: tuple[int, ...]) -> None:
    assert sum(row) == WHOLE
    assert all(weight >= 0 for weight in row)
    assert sum(step * weight for step, weight in zip(STEPS.tolist(), row, strict=True)) == 0


@pytest.mark.parametrize("above", range(1, len(ROWS)))
def test_every_row_but_the_first_has_the_variance(above: int) -> None:
    row = np.array(ROWS[above], float) / WHOLE
    assert float((STEPS**2 * row).sum()) == pytest.approx(VARIANCE, abs=1e-8)


@pytest.mark.parametrize("above", range(len(ROWS)))
def test_no_count_falls_below_the_threshold(above: int) -> None:
    assert all(
        weight == 0 for step, weight in zip(STEPS, ROWS[above], strict=True) if step < -above
    )


@pytest.mark.parametrize("above", range(1, len(ROWS)))
def test_every_row_has_the_greatest_entropy_under_its_constraints(above: int) -> None:
    """At the maximum the logarithm of the weights is a quadratic function of the step."""
    steps = STEPS[-above <= STEPS]
    weights = np.log(np.array(ROWS[above], float)[-above <= STEPS])
    fitted = np.polynomial.Polynomial.fit(steps, weights, 2)(steps)
    assert np.abs(fitted - weights).max() < 1e-6


@pytest.mark.parametrize("above", range(len(ROWS)))
def test_looking_up_gives_each_step_exactly_its_share(above: int) -> None:
    """By the borders: the first and last number of every step's range, and how many there are."""
    edges = [0, *np.cumsum(np.array(ROWS[above], np.uint64)).tolist()]
    for step, first, end in zip(STEPS.tolist(), edges, edges[1:], strict=False):
        if first < end:
            drawn = np.array([first << 32, (end << 32) - 1], np.uint64)
            assert noise(drawn, np.array([above, above])).tolist() == [step, step]


def test_counts_far_above_share_a_row_and_parts_below_the_threshold_have_it_too() -> None:
    drawn = np.arange(0, 1 << 63, 1 << 55, dtype=np.uint64)
    far = noise(drawn, np.full(len(drawn), 5))
    assert (noise(drawn, np.full(len(drawn), 10**6)) == far).all()
    assert (noise(drawn, np.full(len(drawn), -3)) == far).all()
