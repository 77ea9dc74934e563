"""The record of processing: complete by construction, and open where only people know."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.io.package_data import load_promises, load_schemas
from pipeline.ops.processing_record import Circumstances, processing_record

SCHEMAS = load_schemas(None)
FOUND = Circumstances(
    lake="s3://telemetry/lake",
    retention_days=60,
    epoch="4weeks",
    encryption="epoch",
    optout_stale_after="15 minutes",
    sources=["`session` from the Kafka topic `sessions`"],
)
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def record(found: Circumstances = FOUND) -> str:
    return processing_record(SCHEMAS, load_promises(), found, NOW)


def test_every_field_and_every_stored_column_of_every_event_is_in_it() -> None:
    text = record()
    for versions in SCHEMAS.values():
        section = text.split(f"### `{versions[-1].event}`")[1].split("\n##")[0]
        for field in versions[-1].fields:
            row = next(row for row in section.splitlines() if row.startswith(f"| `{field.name}` |"))
            assert all(f"`{column.name}`" in row for column in field.columns)
            assert field.treatment.in_words() in row


def test_it_says_what_the_settings_say() -> None:
    text = record()
    for said in ("s3://telemetry/lake", "60 days", "every four weeks", "topic `sessions`"):
        assert said in text
    assert "in every file, one data key for each epoch" in text


def test_what_nobody_has_told_it_is_left_to_be_filled_in() -> None:
    blank = Circumstances("", 90, "day", "off", "15 minutes", ())
    assert record(blank).count("[fill in") == record().count("[fill in") + 2
    assert "in every file" not in record(blank)


def test_each_purpose_is_a_promise_with_its_text() -> None:
    texts = {promise.id: promise.text for promise in load_promises()}
    used = {field.purpose for versions in SCHEMAS.values() for field in versions[-1].fields}
    for purpose in used:
        assert f"- {texts[purpose]} ({purpose}): " in record()
