"""The output scanner: what may be stored passes, everything else is found and not repeated."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from pipeline.events.schema import EventSchema
from pipeline.io.resources import load_catalogue, load_schemas
from pipeline.ops.scan import (
    NOTHING,
    Ceilings,
    Finding,
    Scanned,
    column_check,
    findings_as_rows,
    scan_rejections,
    scan_rows,
)

EMAIL = "somebody@example.com"
CATALOGUE = load_catalogue()
REQUESTS = load_schemas()["api_request"][-1]
SESSIONS = load_schemas()["session"][-1]

SOUND = {
    "event_token": "0123456789abcdef0123456789abcdef",
    "subject": "f" * 32,
    "country": "DE",
    "ip_prefix": "198.18.0.0/16",
    "ip_class": "public",
    "client_family": "curl",
    "model": "other",
    "route": "/{unmatched}",
    "error_code": "unregistered",
    "error_fingerprint": "0123456789abcdef",
    "sdk_version": "2.3",
    "referrer_class": "none",
    "account_age": "90+",
}


def rows(schema: EventSchema, **values: object) -> pa.Table:
    """One row: nulls, but for these values; without the partition column, as in files."""
    fields = [field for field in schema.stored if field.name != "event_date"]
    return pa.table(
        {field.name: pa.array([values.get(field.name)], field.type) for field in fields}
    )


def scan(schema: EventSchema, **values: object) -> Scanned:
    return scan_rows("t", rows(schema, **values), schema.columns, CATALOGUE, Ceilings(16, 32))


def test_what_may_be_stored_passes() -> None:
    assert scan(REQUESTS, **SOUND) == Scanned(1, len(SOUND), ())
    assert scan(SESSIONS, features=["recording", "other"]).findings == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("subject", EMAIL),
        ("subject", "F" * 32),
        ("subject", "f" * 31),
        ("subject", "f" * 32 + "\n"),
        ("event_token", "f" * 33),
        ("error_fingerprint", "f" * 32),
        ("country", "de"),
        ("country", "DEU"),
        ("ip_prefix", "198.18.4.0/24"),
        ("ip_prefix", "198.18.0.1/16"),
        ("ip_prefix", "198.18.0.0"),
        ("ip_prefix", "2001:db8::/33"),
        ("ip_prefix", "198.018.0.0/16"),
        ("ip_prefix", EMAIL),
        ("ip_class", "Public"),
        ("client_family", "JohnSmithBot"),
        ("route", "/users/17"),
        ("route", f"/users/{EMAIL}"),
        ("model", "v2v-large "),
        ("model", ""),
        ("sdk_version", "2.3.1"),
        ("sdk_version", EMAIL),
        ("referrer_class", "https://example.com"),
    ],
)
def test_anything_else_is_found_by_column_and_not_repeated(column: str, value: str) -> None:
    found = scan(REQUESTS, **{**SOUND, column: value}).findings
    assert found == (Finding("t", column, "values that may not be stored", 1),)
    assert value not in repr(found) or value == ""


def test_values_inside_lists_are_found() -> None:
    assert [f.column for f in scan(SESSIONS, features=["recording", EMAIL]).findings] == [
        "features"
    ]


def test_networks_are_held_to_the_ceiling_of_the_settings() -> None:
    narrow = rows(REQUESTS, ip_prefix="198.18.4.0/24")
    for bits, findings in ((24, 0), (23, 1)):
        ceilings = Ceilings(bits, 48)
        scanned = scan_rows("t", narrow, REQUESTS.columns, CATALOGUE, ceilings)
        assert len(scanned.findings) == findings


def test_a_column_that_no_schema_declares_is_found_without_its_name() -> None:
    table = rows(REQUESTS).append_column(EMAIL, pa.array(["x"]))
    found = scan_rows("t", table, REQUESTS.columns, CATALOGUE, Ceilings()).findings
    assert found == (Finding("t", "(undeclared)", "no schema declares this column", 0),)


def test_a_column_of_another_type_is_found() -> None:
    table = rows(REQUESTS)
    index = table.schema.get_field_index("status")
    table = table.set_column(index, "status", pa.array(["200"]))
    found = scan_rows("t", table, REQUESTS.columns, CATALOGUE, Ceilings()).findings
    assert found == (Finding("t", "status", "the type is not the declared one", 0),)


def test_every_text_column_of_every_event_is_checked() -> None:
    for versions in load_schemas().values():
        for column in versions[-1].columns:
            kind = column.type.value_type if pa.types.is_list(column.type) else column.type
            check = column_check(column, CATALOGUE, Ceilings())
            assert (check is not None) is pa.types.is_string(kind)
            if check is not None:
                assert check(pa.array([EMAIL])) == 1, column.name


def test_files_without_rows_have_no_findings() -> None:
    empty = rows(REQUESTS).slice(0, 0)
    assert scan_rows("t", empty, REQUESTS.columns, CATALOGUE, Ceilings()).findings == ()


def test_scans_add_up() -> None:
    finding = Finding("t", "c", "p", 1)
    assert Scanned(1, 2, (finding,)) + Scanned(3, 4, ()) + NOTHING == Scanned(4, 6, (finding,))
    assert list(findings_as_rows([finding, finding])) == [("t", "c", "p", 1)]


def rejections(**values: object) -> pa.Table:
    row = {
        "ingest_date": date(2026, 11, 24),
        "ingest_hour": 3,
        "source": "file",
        "topic": "0123456789abcdef",
        "partition": 0,
        "offset": 17,
        "event": "session",
        "stage": "decode",
        "reason": "not_json",
        "size_bucket": 512,
        **values,
    }
    return pa.Table.from_pylist([row])


def test_rejections_hold_closed_words_and_identities_only() -> None:
    assert scan_rejections(rejections(), ["session"]).findings == ()
    named = rejections(source="kafka", topic="telemetry.session")
    assert scan_rejections(named, ["session"], ["telemetry.session"]).findings == ()
    for column in ("source", "topic", "event", "stage", "reason", "content"):
        found = scan_rejections(rejections(**{column: EMAIL}), ["session"]).findings
        assert len(found) == 1, column
        assert EMAIL not in repr(found)
