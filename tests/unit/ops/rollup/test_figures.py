"""Each kind of figure, made of perturbed parts: ratios and their limits, digits, quantiles."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pipeline.ops.rollup.figures import Columns, RecordKeys, cells_of, figure, quantile_of, rounded
from pipeline.privacy.figures.gate import Rule, admit
from pipeline.privacy.figures.perturbation import Perturbation
from tests.dashboards import REGISTRY, SECRET

RULE, NOISE = Rule(), Perturbation(SECRET)
METRIC = REGISTRY.metrics["http_5xx_rate"]


def ratio(counted: list[int], whole: list[int]) -> dict[str, float]:
    """The ratio of one cell whose accounts counted so many of so many events."""
    count = len(whole)
    rows = pa.table(
        {
            "start": pa.array([date(2026, 11, 2)] * count, pa.date32()),
            "subject": pa.array(range(count), pa.int64()),
            "events": pa.array(whole, pa.int64()),
            METRIC.name: pa.array(counted, pa.float64()),
            f"{METRIC.name}/of": pa.array(whole, pa.float64()),
        }
    )
    keys = RecordKeys(np.arange(count), NOISE.record_keys(f"{n:032x}" for n in range(count)))
    admitted = admit(rows, [], RULE, [METRIC.name, f"{METRIC.name}/of"])
    found: Columns = figure(METRIC, cells_of(admitted, RULE, NOISE, keys), rows, [])
    return {name: float(column[0]) for name, column in found.items() if not np.isnan(column[0])}


def test_a_ratio_whose_parts_pass_is_made_of_perturbed_parts() -> None:
    found = ratio([1] * 50 + [0] * 150, [4] * 200)
    assert abs(found["numerator"] - 50) <= 5
    assert abs(found["denominator"] - 800) <= 2 * 5.5
    assert found["value"] == pytest.approx(found["numerator"] / found["denominator"], abs=0.01)
    assert "under" not in found


@pytest.mark.parametrize("few", [0, 1, 7, 19])
def test_a_part_of_few_accounts_is_only_said_to_be_under_a_limit(few: int) -> None:
    found = ratio([1] * few + [0] * (200 - few), [5] * 200)
    assert found.keys() == {"under", "denominator"}
    assert found["under"] * found["denominator"] >= 20
    assert few / 1000 < found["under"] <= 0.05


@pytest.mark.parametrize("few", [0, 1, 7, 19])
def test_a_complement_of_few_accounts_is_only_said_to_be_over_a_limit(few: int) -> None:
    found = ratio([4] * few + [5] * (200 - few), [5] * 200)
    assert found.keys() == {"over", "denominator"}
    assert 1 - few / 1000 > found["over"] >= 0.95


def test_all_events_of_a_few_accounts_are_not_said_to_be_under_anything_narrow() -> None:
    """Nine accounts with half of all events: the limit covers what they may have done."""
    found = ratio([50] * 9 + [0] * 100, [50] * 9 + [5] * 100)
    assert found.keys() <= {"under", "denominator"}
    assert found.get("under", 1.0) >= 450 / 950


def test_a_ratio_of_which_both_parts_are_of_few_is_not_shown() -> None:
    found = ratio([0] * 10 + [3] * 12, [3] * 22)
    assert found.keys() == set()


def test_a_value_has_no_more_digits_than_its_error_leaves() -> None:
    error = np.array([0.2, 0.04, 0.0004, 1e-9, 0.0])
    found = rounded(np.full(5, 0.1234567), error, 6)
    assert found.tolist() == [0.1, 0.12, 0.1235, 0.123457, 0.123457]


def test_a_quantile_lies_in_the_bucket_that_its_rank_falls_into() -> None:
    values, counts = np.array([100.0, 119.0, 141.0]), np.array([10.0, 80.0, 10.0])
    assert 119 / 2**0.125 <= quantile_of(values, counts, 0.5) <= 119 * 2**0.125
    assert quantile_of(np.array([0.0]), np.array([5.0]), 0.5) == 0.0
    assert quantile_of(np.array([14400.0]), np.array([9.0]), 0.9, [0, 7200, 14400]) == 14400.0
