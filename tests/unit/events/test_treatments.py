"""Treatments as values: which exist and what they apply to."""

from __future__ import annotations

import pytest

from pipeline.events.treatments import FieldType, Sensitivity, TreatmentError
from pipeline.io.package_data import load_catalogue, vocabulary

NUMBER, TEXT = FieldType.INT64, FieldType.STRING
WORDS = vocabulary(load_catalogue())


@pytest.mark.parametrize(
    ("text", "kind", "args"),
    [
        ("keep", NUMBER, ()),
        ("keep[100,599]", NUMBER, ("100", "599")),
        ("bucket[pow4,40]", NUMBER, ("pow4", "40")),
        ("generalize[common_agent]", TEXT, ("common_agent",)),
        ("drop", TEXT, ()),
        ("floor[hour]", FieldType.TIMESTAMP, ("hour",)),
        ("pseudonymize[subj]", FieldType.IDENTIFIER, ("subj",)),
        ("pseudonymize[fp]", TEXT, ("fp",)),
        ("truncate[0,48]", TEXT, ("0", "48")),
        ("bucket[log4,20]", FieldType.FLOAT64, ("log4", "20")),
        ("bucket[edges,0,0.001,5]", NUMBER, ("edges", "0", "0.001", "5")),
        ("bucket[upto,15,24]", NUMBER, ("upto", "15", "24")),
        ("generalize[models]", FieldType.LIST, ("models",)),
        ("generalize[agent]", TEXT, ("agent",)),
        ("generalize[age]", FieldType.DATE, ("age",)),
    ],
)
def test_a_treatment_is_its_name_and_arguments(
    text: str, kind: FieldType, args: tuple[str, ...]
) -> None:
    treatment = WORDS.treatment(text, kind, Sensitivity.TECHNICAL)
    assert (treatment.name, treatment.args) == (text.partition("[")[0], args)
    assert str(treatment) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", TEXT),
        ("Keep", NUMBER),
        ("keep[]", NUMBER),
        ("keep[1]", NUMBER),
        ("keep[5,1]", NUMBER),
        ("keep[1,a]", NUMBER),
        ("keep", TEXT),
        ("bucket[pow4,41]", NUMBER),
        ("generalize[agent,common]", TEXT),
        ("drop[x]", TEXT),
        ("floor", FieldType.TIMESTAMP),
        ("floor[minute]", FieldType.TIMESTAMP),
        ("floor[hour]", TEXT),
        ("pseudonymize", FieldType.IDENTIFIER),
        ("pseudonymize[optout]", FieldType.IDENTIFIER),
        ("pseudonymize[subj]", TEXT),
        ("pseudonymize[fp]", FieldType.IDENTIFIER),
        ("truncate[25,32]", TEXT),
        ("truncate[16,49]", TEXT),
        ("truncate[16]", TEXT),
        ("truncate[16,a]", TEXT),
        ("bucket[log4]", NUMBER),
        ("bucket[log4,0]", NUMBER),
        ("bucket[pow2,63]", NUMBER),
        ("bucket[pow2,1.5]", NUMBER),
        ("bucket[edges,1]", NUMBER),
        ("bucket[edges,5,1]", NUMBER),
        ("bucket[edges,1,1]", NUMBER),
        ("bucket[edges,1,1e9]", NUMBER),
        ("bucket[steps,1,2]", NUMBER),
        ("bucket[pow2,40]", TEXT),
        ("generalize[anything]", TEXT),
        ("generalize[device_classes]", TEXT),
        ("generalize[models]", NUMBER),
        ("generalize[age]", TEXT),
        ("generalize[models,regions]", TEXT),
        ("truncate[16,32]; keep", TEXT),
    ],
)
def test_an_invalid_treatment_is_refused(text: str, kind: FieldType) -> None:
    with pytest.raises(TreatmentError):
        WORDS.treatment(text, kind, Sensitivity.TECHNICAL)


def test_an_identifying_value_is_never_kept_bucketed_or_floored() -> None:
    for text, kind in (
        ("keep", NUMBER),
        ("bucket[pow2,40]", NUMBER),
        ("floor[hour]", FieldType.TIMESTAMP),
    ):
        WORDS.treatment(text, kind, Sensitivity.TECHNICAL)
        with pytest.raises(TreatmentError, match="identifying may only have"):
            WORDS.treatment(text, kind, Sensitivity.IDENTIFYING)
