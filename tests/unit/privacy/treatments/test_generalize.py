"""What is common to many stands for the value: closed lists, classes, routes, versions."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipeline.events.treatments import FieldType, Sensitivity, Treatment, TreatmentError
from pipeline.io.package_data import vocabulary
from tests.privacy_rows import CATALOGUE, anonymize, stored


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


def test_an_agent_that_is_not_text_is_another_one_and_a_missing_one_none() -> None:
    rows = [{"user_agent": text} for text in ("\x00", "", None)]
    found = anonymize("api_request", rows).rows
    family = found.column("client_family").to_pylist()
    assert family[0] is not None
    assert family[1:] == [None, None]
    assert found.column("client_major").to_pylist() == [None] * 3


def test_a_route_is_that_of_its_method_and_null_without_a_path() -> None:
    route = next(route for route in CATALOGUE.routes if "{" not in route.template)
    rows: list[dict[str, str | None]] = [
        {"method": route.method, "path": route.template},
        {"method": route.method, "path": f"{route.template}/alice@example.com"},
        {"method": "TRACE", "path": route.template},
        {"method": route.method, "path": ""},
        {"method": route.method, "path": None},
    ]
    found = anonymize("api_request", rows).rows.column("route").to_pylist()
    assert found[:3] == [route.template, "/{unmatched}", "/{unmatched}"]
    assert found[3:] == [None, None]


def test_without_a_referrer_there_is_the_class_of_none() -> None:
    assert stored("api_request", "referrer", [None, ""], "referrer_class") == ["none", "none"]


def declared(text: str, kind: FieldType = FieldType.STRING) -> Treatment:
    return vocabulary(CATALOGUE).treatment(text, kind, Sensitivity.TECHNICAL)


def test_a_common_major_version_keeps_less_than_any_major_version() -> None:
    every, common = declared("generalize[agent]"), declared("generalize[common_agent]")
    assert common.keeps_no_more_than(every)
    assert not every.keeps_no_more_than(common)


def test_a_list_that_belongs_to_a_reduction_is_not_looked_up_in_directly() -> None:
    with pytest.raises(TreatmentError, match="plain list"):
        declared("generalize[device_classes]")
