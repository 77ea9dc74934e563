"""Buckets: every edge exactly, by a table and against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

from pipeline.events.treatments import FieldType, Sensitivity
from pipeline.io.package_data import vocabulary
from pipeline.privacy.columns import Numbers
from pipeline.privacy.treatments.numeric import Bucket
from pipeline.privacy.values import buckets
from tests.privacy_rows import CATALOGUE, anonymize, fixture


def bucketed(declared: str, value: float) -> buckets.Bucketed:
    """What a declared bucket makes of one number."""
    kind = FieldType.INT64 if isinstance(value, int) else FieldType.FLOAT64
    treatment = vocabulary(CATALOGUE).treatment(declared, kind, Sensitivity.TECHNICAL)
    assert isinstance(treatment, Bucket)
    values: Numbers = np.array([value], dtype=np.float64)
    if isinstance(value, int):
        values = np.array([value], dtype=np.int64)
    return treatment.reduce(values, None)


@pytest.mark.parametrize("row", list(fixture("buckets.tsv")))
def test_a_number_is_bucketed_as_the_table_says(row: list[Any]) -> None:
    declared, value, expected, reason = row
    found = bucketed(declared, value)
    if expected is None:
        assert found.usable is not None
        assert not found.usable[0]
        assert found.nulled == {reason: 1}
    else:
        assert found.values[0] == pytest.approx(expected, rel=1e-15)
        assert found.usable is None or found.usable[0]
        assert not found.nulled


def quarter_of(value: float) -> int:
    """k with 2^(k/4) <= value < 2^((k+1)/4), in exact arithmetic."""
    fourth = Fraction(value) ** 4
    power = math.frexp(float(fourth))[1]
    for k in range(power - 3, power + 3):
        if Fraction(2) ** k <= fourth < Fraction(2) ** (k + 1):
            return k
    raise AssertionError


def test_every_edge_of_the_log_buckets_is_exact_to_the_last_bit() -> None:
    for k in range(-40, 80):
        near = 2 ** (k / 4)
        for value in (
            math.nextafter(math.nextafter(near, 0), 0),
            math.nextafter(near, 0),
            near,
            math.nextafter(near, math.inf),
            math.nextafter(math.nextafter(near, math.inf), math.inf),
        ):
            expected = 2 ** ((quarter_of(value) + 0.5) / 4)
            if value < 2**-10:
                expected = 0.0
            found = buckets.log4(np.array([value]), None, 20).values[0]
            assert found == pytest.approx(expected, rel=1e-15), (k, value)


def test_a_representative_lies_in_its_own_bucket() -> None:
    values = np.geomspace(2**-10, 2**20, 5000)
    once = buckets.log4(values, None, 20).values
    assert (buckets.log4(once, None, 20).values == once).all()
    assert len(np.unique(once)) == 121


def test_every_power_of_two_and_its_neighbours_are_exact() -> None:
    for k in range(63):
        for value in (2**k - 1, 2**k, 2**k + 1):
            value = min(value, 2**63 - 1)
            floor = 0 if value == 0 else 1 << (value.bit_length() - 1)
            found = buckets.powers(np.array([value], dtype=np.int64), None, 40, 1).values[0]
            assert found == min(floor, 2**40)
            fours = buckets.powers(np.array([value], dtype=np.int64), None, 40, 2).values[0]
            assert fours == (0 if not floor else 4 ** ((int(found).bit_length() - 1) // 2))


@pytest.mark.parametrize("cap", [1, 40, 52, 53, 54, 62])
def test_any_cap_that_a_schema_can_declare_holds(cap: int) -> None:
    values = np.array([2**cap - 1, 2**cap, 2**63 - 1], dtype=np.int64)
    assert buckets.powers(values, None, cap, 1).values.tolist() == [2 ** (cap - 1), 2**cap, 2**cap]
    assert buckets.log4(values[1:], None, cap).values.tolist() == [2.0**cap] * 2


def test_null_is_not_counted_and_stays_null() -> None:
    rows = [{"latency_ms": value} for value in (1.0, None, -1.0, math.nan, math.inf, -math.inf)]
    clean = anonymize("api_request", rows)
    assert clean.rows.column("latency_ms").to_pylist()[1:] == [None] * 5
    assert clean.nulled == {
        ("latency_ms", "negative"): 1,
        ("latency_ms", "not_finite"): 3,
    }


def test_nothing_stands_behind_a_null_in_memory() -> None:
    values = np.frombuffer(
        anonymize("session", [{"fps": -7.0}, {"fps": 61.0}]).rows.column("fps").buffers()[1],
        dtype=np.int16,
    )
    assert values[:2].tolist() == [0, 120]


def test_no_rows_are_no_buckets() -> None:
    for shape in (buckets.log4, partial(buckets.powers, doublings=2)):
        assert not len(shape(np.array([], dtype=np.float64), None, cap=20).values)
    for bounded in (buckets.edges, buckets.upto):
        assert not len(bounded(np.array([], dtype=np.int64), None, [0, 1]).values)
