"""Figures beside figures: equal only where both are there and every number is the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

import pyarrow as pa
import pytest

from pipeline.ops.audit.comparison import compared
from pipeline.ops.rollup.publication import KEYS, MEASURES, PUBLISHED

SHOWN = {"same": 1.0, "differs": 1.0, "absent": 1.0, "unknown": None}
FRESH = {"same": 1.0, "differs": 1.1, "unknown": None, "more": 2.0}


def cells(values: Mapping[str, float | None]) -> pa.Table:
    """One cell for each key, with a value; every other number is missing."""
    fields = [PUBLISHED.field(name) for name in (*KEYS, *MEASURES)]
    place = {"grain": "day", "cut": "", "first_day": date(2026, 11, 2), "key2": ""}
    rows = [{**place, "key1": key, "value": value} for key, value in values.items()]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


@pytest.mark.parametrize("how", ["left outer", "full outer"])
def test_a_cell_is_equal_if_both_say_the_same(how: Literal["left outer", "full outer"]) -> None:
    found = compared(cells(SHOWN), cells(FRESH), MEASURES, how)
    keys = [one or "more" for one in found.both["key1"].to_pylist()]
    equal = dict(zip(keys, found.equal.tolist(), strict=True))
    given = dict(zip(keys, found.given.tolist(), strict=True))
    assert {key for key, is_equal in equal.items() if is_equal} == {"same", "unknown"}
    assert not given["absent"]
    assert ("more" in keys) == (how == "full outer")
