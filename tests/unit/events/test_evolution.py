"""Versions of one event: what a later one may add, and that it never keeps more."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.evolution import check_evolution
from pipeline.events.schema import EventSchema
from pipeline.events.treatments import FieldType, Sensitivity
from tests.unit.events.test_schema_file import EXTRA, WORDS, extra, parse

DEFAULTS = {
    "kind": "int64",
    "sensitivity": "technical",
    "treatment": "bucket[pow2,40]",
    "purpose": "P01",
    "since": 1,
    "column": "int64",
    "values": "",
}


def test_a_later_version_may_add_but_not_change() -> None:
    older = parse(extra())
    added = extra(name="more").replace("version: 1\n", "version: 2\n")
    newer = parse(added + EXTRA.format(**{**DEFAULTS, "name": "size"}))
    check_evolution(older, newer)
    for changed in (added, extra(kind="float64").replace("version: 1\n", "version: 2\n")):
        with pytest.raises(SchemaError, match="'size' of version 1"):
            check_evolution(older, parse(changed))
    retyped = extra(column="int32").replace("version: 1\n", "version: 2\n")
    with pytest.raises(SchemaError, match="'size' of version 1"):
        check_evolution(older, parse(retyped))


def treated(treatment: str, version: int) -> EventSchema:
    """A version of `ping` with one field treated so."""
    column = "float32" if "log4" in treatment else "int64"
    return parse(
        extra(treatment=treatment, column=column).replace("version: 1\n", f"version: {version}\n")
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bucket[pow2,40]", "bucket[pow2,40]"),
        ("bucket[pow2,40]", "bucket[pow4,40]"),
        ("bucket[pow4,40]", "bucket[pow4,30]"),
        ("keep", "keep[100,599]"),
        ("keep[1,999]", "keep[100,599]"),
        ("bucket[edges,0,1,5]", "bucket[edges,0,5]"),
        ("bucket[upto,1,5,9]", "bucket[upto,1,9]"),
    ],
)
def test_a_later_version_may_keep_less(before: str, after: str) -> None:
    check_evolution(treated(before, 1), treated(after, 2))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bucket[pow4,40]", "bucket[pow2,40]"),
        ("bucket[pow2,30]", "bucket[pow4,40]"),
        ("keep[100,599]", "keep"),
        ("keep[100,599]", "keep[99,599]"),
        ("bucket[pow4,40]", "keep"),
        ("bucket[edges,0,5]", "bucket[edges,0,1,5]"),
        ("bucket[edges,0,5]", "bucket[upto,1,5]"),
        ("bucket[pow2,40]", "bucket[edges,0,5]"),
    ],
)
def test_a_later_version_never_keeps_more_or_something_else(before: str, after: str) -> None:
    with pytest.raises(SchemaError, match="does not follow from that"):
        check_evolution(treated(before, 1), treated(after, 2))


@pytest.mark.parametrize(
    ("before", "after", "fine"),
    [
        ("generalize[agent]", "generalize[common_agent]", True),
        ("generalize[common_agent]", "generalize[agent]", False),
        ("truncate[16,32]", "truncate[8,32]", True),
        ("truncate[16,32]", "truncate[16,48]", False),
        ("generalize[models]", "generalize[plans]", False),
    ],
)
def test_texts_are_compared_by_their_treatments_too(before: str, after: str, fine: bool) -> None:
    old, new = (
        WORDS.treatment(text, FieldType.STRING, Sensitivity.TECHNICAL) for text in (before, after)
    )
    assert new.keeps_no_more_than(old) is fine
