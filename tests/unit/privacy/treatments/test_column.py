"""A treatment is carried out, or the schema does not start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import SchemaError
from pipeline.events.schema import EventSchema
from pipeline.events.treatments import FieldType, Sensitivity, Treatment
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.policy import Policy
from pipeline.privacy.treatments.column import check_holds, limits, treatment_of
from pipeline.privacy.treatments.registry import TREATMENTS
from tests.privacy_rows import CATALOGUE, SCHEMAS, MemoryKeys, nowhere


def start_with(event: str, name: str, **changes: Any) -> None:
    """Start an anonymizer with one field of a schema changed."""
    schema = SCHEMAS[event][-1]
    fields = tuple(
        replace(field, **changes) if field.name == name else field for field in schema.fields
    )
    changed = EventSchema(schema.event, schema.version, "", schema.time_field, fields)
    Anonymizer({event: (changed,)}, CATALOGUE, MemoryKeys(), nowhere, Policy())


def test_a_treatment_that_nothing_carries_out_does_not_start() -> None:
    class Blur(Treatment):
        form, stores, makes, sensitivities = "blur[N]", "less", ("text",), frozenset(Sensitivity)

        @property
        def kinds(self) -> frozenset[FieldType]:
            return frozenset(FieldType)

    with pytest.raises(SchemaError, match=r"blur\[9\]"):
        start_with("error_log", "model", treatment=Blur(("9",)))


@pytest.mark.parametrize(
    ("name", "kind", "args"),
    [
        ("fps", pa.int16(), ("upto", "15", "29.97")),
        ("fps", pa.int16(), ("upto", "15", "40000")),
        ("fps", pa.int8(), ("edges", "0", "128")),
        ("rtt_ms", pa.int32(), ("log4", "20")),
        ("rtt_ms", pa.int32(), ("pow2", "31")),
    ],
)
def test_a_bucket_that_its_column_cannot_hold_does_not_start(
    name: str, kind: pa.DataType, args: tuple[str, ...]
) -> None:
    [column] = SCHEMAS["session"][-1].field(name).columns
    with pytest.raises(SchemaError, match="cannot hold"):
        start_with(
            "session",
            name,
            treatment=TREATMENTS[f"bucket[{args[0]}]"](args),
            columns=(replace(column, type=kind),),
        )


def test_a_column_of_another_type_than_its_treatment_makes_does_not_start() -> None:
    [column] = SCHEMAS["session"][-1].field("plan").columns
    with pytest.raises(SchemaError, match="not of the type"):
        start_with("session", "plan", columns=(replace(column, type=pa.int16()),))


@pytest.mark.parametrize(
    ("kind", "lowest", "highest"),
    [
        (pa.int8(), -128, 127),
        (pa.int64(), -(2**63), 2**63 - 1),
        (pa.float32(), -3.4028234663852886e38, 3.4028234663852886e38),
    ],
)
def test_a_type_holds_what_it_can(kind: pa.DataType, lowest: float, highest: float) -> None:
    assert limits(kind) == (lowest, highest)


def test_numbers_are_held_to_the_last_one() -> None:
    field = SCHEMAS["session"][-1].field("fps")
    narrow = replace(field, columns=(replace(field.columns[0], type=pa.int8()),))
    check_holds(narrow, [-128, 0, 127])
    for number in (-129, 128, 0.5):
        with pytest.raises(SchemaError, match="cannot hold") as caught:
            check_holds(narrow, [0, number])
        assert caught.value.where == "fps"
    whole = replace(field, columns=(replace(field.columns[0], type=pa.float64()),))
    check_holds(whole, [0.5])


def test_a_treatment_is_given_with_its_function() -> None:
    field = SCHEMAS["session"][-1].field("fps")
    assert treatment_of(field) is field.treatment
