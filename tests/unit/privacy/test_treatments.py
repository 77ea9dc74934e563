"""Every treatment through the whole stage, and the table that dispatches them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import SchemaError
from pipeline.events import treatments as declared
from pipeline.events.catalogue import FIXED
from pipeline.events.schema import EventSchema, Treatment
from pipeline.events.treatments import REDUCTIONS
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.networks import IpClass
from pipeline.privacy.policy import Policy
from pipeline.privacy.treatments import TREATMENTS, treatment_of
from tests.privacy_rows import CATALOGUE, SCHEMAS, MemoryKeys, anonymize, nowhere, stored

FIELDS = [
    (schema, field)
    for versions in SCHEMAS.values()
    for schema in versions
    for field in schema.fields
]


def test_every_treatment_that_a_schema_uses_is_carried_out() -> None:
    for _, field in FIELDS:
        assert treatment_of(field) in TREATMENTS.values()


def test_the_table_carries_out_what_can_be_declared_and_nothing_else() -> None:
    names = {name.partition("[")[0] for name in TREATMENTS}
    assert names == set(declared._CHECKS)
    reductions = {f"generalize[{name}]" for name in REDUCTIONS}
    assert {name for name in TREATMENTS if "[" in name} == reductions | {"floor[hour]"}


def start_with(event: str, name: str, **changes: Any) -> None:
    """Start an anonymizer with one field of a schema changed."""
    schema = SCHEMAS[event][-1]
    fields = tuple(
        replace(field, **changes) if field.name == name else field for field in schema.fields
    )
    changed = EventSchema(schema.event, schema.version, "", schema.time_field, fields)
    Anonymizer({event: (changed,)}, CATALOGUE, MemoryKeys(), nowhere, Policy())


def test_a_treatment_that_nothing_carries_out_does_not_start() -> None:
    with pytest.raises(SchemaError, match=r"blur\[9\]"):
        start_with("error_log", "model", treatment=Treatment("blur", ("9",)))


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
            treatment=Treatment("bucket", args),
            columns=(replace(column, type=kind),),
        )


def test_a_column_of_another_type_than_its_treatment_makes_does_not_start() -> None:
    [column] = SCHEMAS["session"][-1].field("plan").columns
    with pytest.raises(SchemaError, match="not of the type"):
        start_with("session", "plan", columns=(replace(column, type=pa.int16()),))


def test_closed_lists_of_the_code_are_those_of_the_catalogue() -> None:
    assert tuple(kind.value for kind in IpClass) == FIXED["ip_classes"]


@pytest.mark.parametrize(
    ("event", "field", "column", "known", "fallback"),
    [
        ("api_request", "model", "model", "v2v-large", "other"),
        ("api_request", "plan", "plan", "pro", "other"),
        ("api_request", "method", "method", "GET", "other"),
        ("api_request", "error_code", "error_code", "rate_limited", "unregistered"),
        ("api_request", "sdk_name", "sdk", "astack-python", "other"),
        ("error_log", "severity", "severity", "error", "other"),
        ("session", "connection_type", "connection_type", "wifi", "other"),
    ],
)
def test_a_value_outside_its_closed_list_becomes_the_fallback(
    event: str, field: str, column: str, known: str, fallback: str
) -> None:
    strangers = [
        known.upper() + "x",
        f" {known}",
        f"{known}\n",
        "alice@example.com",
        "\x00",
        "Other",
    ]
    values = [known, *strangers, None, ""]
    found = stored(event, field, values, column)
    assert found == [known, *[fallback] * len(strangers), None, None]


def test_a_fallback_sent_as_a_value_is_the_fallback() -> None:
    assert stored("api_request", "model", ["other"], "model") == ["other"]
    assert stored("api_request", "error_code", ["unregistered"], "error_code") == ["unregistered"]


def test_a_list_keeps_each_closed_value_once_in_the_order_of_the_catalogue() -> None:
    first, second, third = CATALOGUE.values("features")[:3]
    values = [
        [third, first, second, first],
        ["alice@example.com", second, "bob", None, ""],
        [],
        None,
        [None],
        ["\x00"],
        [first] * 500,
    ]
    assert stored("session", "features", values, "features") == [
        [first, second, third],
        [second, "other"],
        [],
        None,
        [],
        ["other"],
        [first],
    ]


@pytest.mark.parametrize(
    ("created", "age"),
    [
        (date(2026, 11, 24), "0-6"),
        (date(2026, 11, 18), "0-6"),
        (date(2026, 11, 17), "7-29"),
        (date(2026, 10, 26), "7-29"),
        (date(2026, 10, 25), "30-89"),
        (date(2026, 8, 27), "30-89"),
        (date(2026, 8, 26), "90+"),
        (date(1, 1, 1), "90+"),
        (date(2026, 11, 25), None),
        (date(9999, 12, 31), None),
        (None, None),
    ],
)
def test_an_account_has_the_age_of_its_days(created: date | None, age: str | None) -> None:
    row = {"account_created_on": created, "occurred_at": datetime(2026, 11, 24, 0, 0, tzinfo=UTC)}
    clean = anonymize("api_request", [row])
    assert clean.rows.column("account_age").to_pylist() == [age]
    future = created is not None and age is None
    assert clean.nulled == ({("account_created_on", "after_event"): 1} if future else {})


@pytest.mark.parametrize(
    ("status", "kept"),
    [(200, 200), (100, 100), (599, 599), (99, None), (600, None), (-1, None), (2**63 - 1, None)],
)
def test_a_number_that_is_kept_must_be_one_of_its_kind(status: int, kept: int | None) -> None:
    clean = anonymize("api_request", [{"status": status}, {"status": None}])
    assert clean.rows.column("status").to_pylist() == [kept, None]
    assert clean.nulled == ({("status", "out_of_range"): 1} if kept is None else {})


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [(0, 0), (0.999999, 0), (1, 1), (59, 30), (3600, 3600), (10**9, 14400), (-1, None)],
)
def test_a_session_lasts_from_its_start_to_its_end(seconds: float, kept: int | None) -> None:
    start = datetime(2026, 11, 24, 11, 59, 59, 999_999, tzinfo=UTC)
    end = datetime.fromtimestamp(start.timestamp(), UTC)
    micros = round(seconds * 1e6)
    ended = pa.scalar(int(start.timestamp()) * 10**6 + 999_999 + micros, pa.timestamp("us", "UTC"))
    assert end == start
    clean = anonymize("session", [{"started_at": start, "ended_at": ended.as_py()}])
    assert clean.rows.column("duration_s").to_pylist() == [kept]
    assert clean.nulled == ({("ended_at", "negative"): 1} if kept is None else {})


def test_a_session_that_goes_on_has_no_duration() -> None:
    clean = anonymize("session", [{"ended_at": None}])
    assert clean.rows.column("duration_s").to_pylist() == [None]
    assert clean.nulled == {}


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
