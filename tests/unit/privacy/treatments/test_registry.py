"""Every treatment that a schema may name is in one table and says everything about itself."""

from __future__ import annotations

from itertools import combinations

import pytest

from pipeline.events.treatments import Sensitivity, Treatment
from pipeline.privacy.treatments.column import ColumnTreatment, treatment_of
from pipeline.privacy.treatments.registry import TREATMENTS
from tests.privacy_rows import SCHEMAS

FIELDS = [
    (schema, field)
    for versions in SCHEMAS.values()
    for schema in versions
    for field in schema.fields
]


def test_every_treatment_that_a_schema_uses_is_carried_out() -> None:
    for _, field in FIELDS:
        assert type(treatment_of(field)) in TREATMENTS.values()


@pytest.mark.parametrize("made", TREATMENTS.values(), ids=lambda made: made.form)
def test_a_treatment_says_everything_about_itself(made: type[Treatment]) -> None:
    assert TREATMENTS[made.key()] is made
    assert made.stores
    assert made.fate in ("kept", "dropped", "generalised", "tokenised")
    assert made.sensitivities
    assert issubclass(made, ColumnTreatment)
    hard = {Sensitivity.IDENTIFYING, Sensitivity.CONTENT}
    assert not (made.fate == "kept" and made.sensitivities & hard)


def test_no_two_treatments_are_declared_the_same_way() -> None:
    """`bucket[log4` is looked up before `bucket`: no key may be the name of others."""
    for one, other in combinations(TREATMENTS.values(), 2):
        assert one.form != other.form
        assert one.key() != other.key()


def test_a_treatment_keeps_no_more_than_itself() -> None:
    for _, field in FIELDS:
        assert field.treatment.keeps_no_more_than(field.treatment)
