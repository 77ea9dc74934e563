"""Every stored column holds values of a closed set; a column that nothing describes holds none."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.events.model import Reason
from pipeline.ops.scan.column_values import (
    Ceilings,
    addresses,
    declared_columns,
    event_columns,
    hexadecimal,
    like,
    networks,
    numbers,
    one_of,
    rejection_columns,
)
from tests.privacy_rows import CATALOGUE, SCHEMAS, anonymize

REQUESTS = event_columns(SCHEMAS["api_request"], CATALOGUE, Ceilings(16, 32))
EMAIL = "somebody@example.com"


def test_what_the_pipeline_stores_may_be_stored() -> None:
    rows = [
        {"client_ip": "8.8.4.77", "model": "v2v-large", "status": 200, "latency_ms": 12.5},
        {"client_ip": "alice", "model": EMAIL, "status": 99, "sdk_version": "2.3.1"},
    ]
    clean = anonymize("api_request", rows).rows
    wrong = event_columns(SCHEMAS["api_request"], CATALOGUE, Ceilings())
    for name, column in zip(clean.schema.names, clean.columns, strict=True):
        if name != "event_date":
            plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
            assert wrong[name](plain.drop_null().unique()) == 0, name


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("subject", EMAIL),
        ("subject", "F" * 32),
        ("subject", "f" * 31),
        ("event_token", "g" * 32),
        ("error_fingerprint", "f" * 32),
        ("ip_prefix", "8.8.4.77/32"),
        ("ip_prefix", "8.8.4.0/24"),
        ("ip_prefix", "8.8.4.77/16"),
        ("country", "DEU"),
        ("country", "DE\n"),
        ("model", EMAIL),
        ("sdk_version", "2.3.1"),
        ("route", f"/v1/{EMAIL}"),
        ("event_hour", 24),
        ("status", 600),
        ("latency_ms", 12.345),
        ("bytes_in", 3),
        ("client_major", 1000),
        ("schema_version", 99),
    ],
)
def test_anything_else_is_counted(column: str, value: object) -> None:
    kind = SCHEMAS["api_request"][-1].stored.field(column).type
    assert REQUESTS[column](pa.array([value], kind)) == 1
    assert REQUESTS[column](pa.array([], kind)) == 0


def test_a_rejection_holds_coordinates_and_closed_words() -> None:
    wrong = rejection_columns(SCHEMAS, ["telemetry.x"])
    for column, good, bad in [
        ("topic", ["telemetry.x", "0123456789abcdef"], [EMAIL, "telemetry.y"]),
        ("source", ["file", "kafka"], ["http"]),
        ("event", ["session"], ["alice"]),
        ("reason", [Reason.NOT_JSON.value], [EMAIL]),
        ("stage", ["decode"], [""]),
    ]:
        assert wrong[column](pa.array(good)) == 0, column
        assert wrong[column](pa.array(bad)) == len(bad), column
    assert wrong["offset"](pa.array([0, -1, 2**60])) == 2
    assert wrong["size_bucket"](pa.array([0, 512, 500], pa.int32())) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("203.0.113.77", True),
        ("from 203.0.113.77 to", True),
        ("2001:db8::77", True),
        ("203.0.113.0/24", False),
        ("2001:db8::/32", False),
        ("1.2.3", False),
        ("v1.2.3.4.5", False),
        ("12:30", False),
    ],
)
def test_a_full_address_is_told_from_a_network(text: str, found: bool) -> None:
    assert addresses(pa.array([text])) == int(found)


def test_rules_count_the_values_that_do_not_fit() -> None:
    assert one_of(["a"])(pa.array(["a", "b", "c"])) == 2
    assert like("^[A-Z]{2}$")(pa.array(["DE", "de", "DEU"])) == 2
    assert numbers([0.1], pa.float32())(pa.array([0.1, 0.2], pa.float32())) == 1
    assert hexadecimal(4)(pa.array(["beef", "BEEF", "dead"]).slice(1)) == 1
    assert networks(Ceilings(24, 48))(pa.array(["10.0.0.0/24", "10.0.0.0/25", "fd00::/48"])) == 1


def test_a_log_declares_the_columns_of_some_version_and_no_other() -> None:
    stored = [version.stored for version in SCHEMAS["session"]]
    rule = declared_columns(stored)
    field = {"name": "plan", "type": "string", "nullable": True, "metadata": {}}
    assert [str(one) for one in rule({"type": "struct", "fields": [{**field, "name": EMAIL}]})] == [
        "fields.*: a column that no version declares"
    ]
    assert list(rule({"type": "struct", "fields": []})) == []
