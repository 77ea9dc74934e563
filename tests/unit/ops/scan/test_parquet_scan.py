"""One file: what may be stored passes, everything else is found by place and not repeated."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from pipeline.events.schema import EventSchema
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.io.parquet.encoding import PartKind, part_writer
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.scan.column_values import Ceilings, event_columns
from pipeline.ops.scan.declared import Declared
from pipeline.ops.scan.findings import Finding
from pipeline.ops.scan.parquet_scan import FileScan, Layout, scan_file
from pipeline.privacy.identity.epochs import EpochKind

EMAIL = "somebody@example.com"
CATALOGUE = load_catalogue()
SCHEMAS = load_schemas()
REQUESTS, SESSIONS = SCHEMAS["api_request"][-1], SCHEMAS["session"][-1]

SOUND: dict[str, object] = {
    "event_hour": 23,
    "event_token": "0123456789abcdef0123456789abcdef",
    "subject": "f" * 32,
    "country": "DE",
    "ip_prefix": "198.18.0.0/16",
    "ip_class": "public",
    "client_family": "curl",
    "client_major": 8,
    "model": "other",
    "schema_version": 1,
    "route": "/{unmatched}",
    "method": "GET",
    "status": 200,
    "latency_ms": 0.0,
    "bytes_in": 0,
    "bytes_out": 1024,
    "error_code": "unregistered",
    "error_fingerprint": "0123456789abcdef",
    "sdk_version": "2.3",
    "referrer_class": "none",
    "account_age": "90+",
}


def layout(
    table: str, kind: PartKind = PartKind.STREAM, ceilings: Ceilings | None = None
) -> Layout:
    limits = ceilings or Ceilings(16, 32)
    registry = Registry({}, {}, {})
    declared = Declared(SCHEMAS, CATALOGUE, registry, limits, EpochKind.FOUR_WEEKS, ["telemetry.x"])
    return declared.layouts(table)[kind]


def rows(schema: EventSchema, **values: object) -> pa.Table:
    """One row: nulls, but for these values; without the partition column, as in files."""
    fields = [field for field in schema.stored if field.name != "event_date"]
    columns = [pa.array([values.get(field.name)], field.type) for field in fields]
    return pa.Table.from_arrays(columns, schema=pa.schema([f.with_nullable(True) for f in fields]))


def written(table: pa.Table, kind: PartKind = PartKind.STREAM) -> bytes:
    """A file as the lake's writer writes it."""
    sink = pa.BufferOutputStream()
    with part_writer(sink, table.schema, kind) as file:
        file.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def nobody(column: str, tokens: pa.Array) -> Iterable[Finding]:
    del column, tokens
    return ()


def scan_bytes(content: bytes, rules: Layout) -> FileScan:
    return scan_file(pa.BufferReader(content), "t", rules, None, nobody)


def scan(schema: EventSchema, **values: object) -> list[tuple[str, str]]:
    """Where something was found and why, of one row."""
    done = scan_bytes(written(rows(schema, **values)), layout(f"events/{schema.event}"))
    assert EMAIL not in repr(done)
    return [(one.place, one.reason) for one in done.findings]


WRONG = "values that may not be stored"


def test_what_may_be_stored_passes() -> None:
    assert scan(REQUESTS, **SOUND) == []
    assert scan(SESSIONS, features=["recording", "other"], event_hour=0) == []


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
        ("client_major", 1000),
        ("route", "/users/17"),
        ("route", f"/users/{EMAIL}"),
        ("model", "v2v-large "),
        ("model", ""),
        ("sdk_version", "2.3.1"),
        ("sdk_version", EMAIL),
        ("sdk_version", "20261124.1"),
        ("referrer_class", "https://example.com"),
        ("event_hour", 24),
        ("event_hour", -1),
        ("status", 99),
        ("schema_version", 7),
        ("latency_ms", 17.25),
        ("latency_ms", float("nan")),
        ("bytes_out", 3_405_803_783),
        ("bytes_in", 3),
    ],
)
def test_anything_else_is_found_by_column_and_not_repeated(column: str, value: object) -> None:
    found = scan(REQUESTS, **{**SOUND, column: value})
    assert (f"t, {column}", WRONG) in found
    assert {place for place, _ in found} == {f"t, {column}"}


def test_an_address_is_called_one() -> None:
    found = scan(REQUESTS, **{**SOUND, "model": "203.0.113.7"})
    assert ("t, model", "addresses") in found


def test_values_inside_lists_are_found() -> None:
    assert ("t, features", WRONG) in scan(SESSIONS, features=["recording", EMAIL], event_hour=0)


def test_networks_are_held_to_the_ceiling_of_the_settings() -> None:
    content = written(rows(REQUESTS, **{**SOUND, "ip_prefix": "198.18.4.0/24"}))
    for bits, fits in ((24, True), (23, False)):
        done = scan_bytes(content, layout("events/api_request", ceilings=Ceilings(bits, 48)))
        assert (not done.findings) is fits


def test_a_column_that_no_schema_declares_is_found_without_its_name() -> None:
    table = rows(REQUESTS, **SOUND).append_column(EMAIL, pa.array(["x"]))
    done = scan_bytes(written(table), layout("events/api_request"))
    assert [one.reason for one in done.findings] == ["columns that no schema declares"]
    assert EMAIL not in repr(done)


def test_a_column_that_is_missing_is_found() -> None:
    done = scan_bytes(
        written(rows(REQUESTS, **SOUND).drop_columns("plan")), layout("events/session")
    )
    assert done.findings


def test_every_column_of_every_event_has_a_closed_set() -> None:
    """A treatment whose values nobody declares may store nothing at all."""
    for versions in SCHEMAS.values():
        allowed = event_columns(versions, CATALOGUE, Ceilings())
        for column in versions[-1].columns:
            if column.name == "event_date":
                continue
            kind = column.type.value_type if pa.types.is_list(column.type) else column.type
            odd = EMAIL if pa.types.is_string(kind) else -7
            assert allowed[column.name](pa.array([odd], kind)) == 1, column.name


def test_final_files_hold_no_event_token() -> None:
    done = scan_bytes(
        written(rows(REQUESTS, **SOUND), PartKind.FINAL),
        layout("events/api_request", PartKind.FINAL),
    )
    assert [one.reason for one in done.findings] == ["values where a final file has none"]


def test_tokens_in_a_dictionary_that_no_row_has_are_found() -> None:
    table = rows(REQUESTS, **SOUND)
    coded = pa.DictionaryArray.from_arrays(
        pa.array([0], pa.int32()), pa.array(["f" * 32, "e" * 32])
    )
    index = table.schema.get_field_index("subject")
    field = table.schema.field("subject").with_type(coded.type)
    done = scan_bytes(written(table.set_column(index, field, coded)), layout("events/api_request"))
    assert [one.reason for one in done.findings] == ["tokens in a dictionary that no row has"]


def test_bytes_that_belong_to_no_part_are_found() -> None:
    content = written(rows(REQUESTS, **SOUND))
    footer = int.from_bytes(content[-8:-4], "little") + 8
    hidden = content[:-footer] + EMAIL.encode() + content[-footer:]
    assert pq.read_table(pa.BufferReader(hidden)).num_rows == 1
    done = scan_bytes(hidden, layout("events/api_request"))
    assert [(one.reason, one.count) for one in done.findings] == [
        ("bytes that belong to no part of the file", len(EMAIL))
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("source", EMAIL),
        ("topic", EMAIL),
        ("topic", "telemetry.y"),
        ("event", EMAIL),
        ("stage", EMAIL),
        ("reason", EMAIL),
        ("size_bucket", 700),
        ("ingest_hour", 25),
        ("offset", -1),
    ],
)
def test_rejections_hold_closed_words_and_identities_only(column: str, value: object) -> None:
    row: dict[str, object] = {
        "ingest_hour": 3,
        "source": "kafka",
        "topic": "telemetry.x",
        "partition": 0,
        "offset": 17,
        "event": "session",
        "stage": "decode",
        "reason": "not_json",
        "size_bucket": 512,
    }
    rules = layout("rejections")
    (schema,) = rules.schemas
    assert scan_bytes(written(pa.Table.from_pylist([row], schema)), rules).findings == []
    assert (
        scan_bytes(
            written(pa.Table.from_pylist([row | {"topic": "0" * 16}], schema)), rules
        ).findings
        == []
    )
    done = scan_bytes(written(pa.Table.from_pylist([row | {column: value}], schema)), rules)
    assert {one.place for one in done.findings} == {f"t, {column}"}
    assert EMAIL not in repr(done)


@pytest.mark.parametrize(
    ("version", "size", "found"),
    [(1, 2048, []), (2, 2048, ["values that may not be stored"] * 1), (2, 4096, [])],
)
def test_what_an_older_version_stored_is_allowed_only_in_files_that_say_so(
    version: int, size: int, found: list[str]
) -> None:
    """Powers of two were stored by version 1; a file of version 2 has powers of four."""
    (schema,) = [one for one in SCHEMAS["api_request"] if one.version == version]
    assert [one.reason for one in scan_file_of(schema, bytes_out=size)] == found


def scan_file_of(schema: EventSchema, **values: object) -> list[Finding]:
    table = rows(schema, **{**SOUND, "bytes_out": 1024, **values})
    return [
        one
        for one in scan_bytes(written(table), layout("events/api_request")).findings
        if one.place.endswith("bytes_out") and "statistics" not in one.reason
    ]


def test_every_byte_of_an_encrypted_file_belongs_to_a_part_its_tag_too() -> None:
    key = b"k" * 32
    sink = pa.BufferOutputStream()
    table = rows(REQUESTS, **SOUND)
    closing = encryption.create_encryption_properties(key)
    with part_writer(sink, table.schema, PartKind.STREAM, closing) as file:
        file.write_table(table)
    content = bytes(sink.getvalue().to_pybytes())
    rules = layout("events/api_request")
    opening = encryption.create_decryption_properties(key)
    sound = scan_file(pa.BufferReader(content), "lake/x", rules, opening, nobody)
    assert sound.findings == []
    # The tag counts once, and only where there is one: a plain file may not hide as many bytes.
    plain = written(table)
    tail = int.from_bytes(plain[-8:-4], "little") + 8
    longer = plain[:-tail] + bytes(16) + plain[-tail:]
    (hidden,) = scan_file(pa.BufferReader(longer), "lake/x", rules, None, nobody).findings
    assert (hidden.reason, hidden.count) == ("bytes that belong to no part of the file", 16)
