"""Numbers and hours as they are, tokens for identifiers, nothing for what is dropped."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from pipeline.events.treatments import FieldType, Sensitivity, Treatment
from pipeline.io.package_data import vocabulary
from pipeline.privacy.identity.fingerprints import skeleton
from pipeline.privacy.identity.tokens import Domain, token
from tests.privacy_rows import CATALOGUE, KEY, SCHEMAS, anonymize, stored


@pytest.mark.parametrize(
    ("status", "kept"),
    [(200, 200), (100, 100), (599, 599), (99, None), (600, None), (-1, None), (2**63 - 1, None)],
)
def test_a_number_that_is_kept_must_be_one_of_its_kind(status: int, kept: int | None) -> None:
    clean = anonymize("api_request", [{"status": status}, {"status": None}])
    assert clean.rows.column("status").to_pylist() == [kept, None]
    assert clean.nulled == ({("status", "out_of_range"): 1} if kept is None else {})


@pytest.mark.parametrize(
    ("moment", "day", "hour"),
    [
        ("2026-11-24T00:00:00+00:00", date(2026, 11, 24), 0),
        ("2026-11-23T23:59:59.999999+00:00", date(2026, 11, 23), 23),
        ("2026-11-24T01:30:00+14:00", date(2026, 11, 23), 11),
        ("2026-11-23T23:30:00-05:00", date(2026, 11, 24), 4),
    ],
)
def test_day_and_hour_are_those_of_utc_and_never_rounded(moment: str, day: date, hour: int) -> None:
    clean = anonymize("api_request", [{"occurred_at": datetime.fromisoformat(moment)}])
    row: dict[str, Any] = clean.rows.to_pylist()[0]
    assert (row["event_date"], row["event_hour"]) == (day, hour)


def declared(text: str, kind: FieldType = FieldType.INT64) -> Treatment:
    return vocabulary(CATALOGUE).treatment(text, kind, Sensitivity.TECHNICAL)


@pytest.mark.parametrize(
    ("one", "other", "less"),
    [
        ("keep[100,599]", "keep", True),
        ("keep", "keep[100,599]", False),
        ("keep[200,599]", "keep[100,599]", True),
        ("keep[100,600]", "keep[100,599]", False),
        ("keep", "bucket[pow2,40]", False),
    ],
)
def test_a_narrower_range_keeps_no_more(one: str, other: str, less: bool) -> None:
    assert declared(one).keeps_no_more_than(declared(other)) is less


def test_a_dropped_field_has_no_column() -> None:
    dropped = [
        field
        for schemas in SCHEMAS.values()
        for field in schemas[-1].fields
        if field.treatment.name == "drop"
    ]
    assert dropped
    assert all(field.columns == () for field in dropped)


def test_a_message_is_stored_as_the_fingerprint_of_its_skeleton_alone() -> None:
    messages = ["user alice@example.com failed", "user bob@example.org failed", "\x00", "", None]
    found = stored("error_log", "message", messages, "error_fingerprint")
    key = KEY + b"4weeks-0037"
    expected = token(key, Domain.FINGERPRINT, skeleton(messages[0] or ""))[:16]
    assert found == [expected, expected, None, None, None]
