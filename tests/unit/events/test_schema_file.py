"""Schema files: what is declared, and the declarations that do not load."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import SchemaError
from pipeline.events.schema import EventSchema
from pipeline.events.schema_file import parse_schema
from pipeline.io.package_data import load_catalogue, load_schemas, packaged, vocabulary

WORDS = vocabulary(load_catalogue())

MINIMAL = """
event: ping
version: 1
comment: Something happened.
time_field: at
fields:
  event:
    type: string
    required: true
    sensitivity: technical
    treatment: drop
    purpose: P01
    comment: Name of the event.
    unit: none
    since: 1
    columns: []
  version:
    type: int64
    required: true
    sensitivity: technical
    treatment: keep
    purpose: P01
    comment: Version.
    unit: none
    since: 1
    columns:
      - {name: schema_version, type: int16, nullable: false, comment: Version., unit: none}
  event_id:
    type: identifier
    required: true
    sensitivity: identifying
    treatment: pseudonymize[evt]
    purpose: P20
    comment: Name.
    unit: none
    since: 1
    columns:
      - {name: event_token, type: string, values: token, nullable: true, comment: Token., unit: x}
  at:
    type: timestamp
    required: true
    sensitivity: interaction
    treatment: floor[hour]
    purpose: P05
    comment: When.
    unit: time
    since: 1
    columns:
      - {name: event_date, type: date, nullable: false, comment: Day., unit: UTC day}
      - {name: event_hour, type: int8, nullable: false, comment: Hour., unit: UTC hour}
"""
EXTRA = """
  {name}:
    type: {kind}
    sensitivity: {sensitivity}
    treatment: {treatment}
    purpose: {purpose}
    comment: Something.
    unit: none
    since: {since}
    columns:
      - {{name: {name}, type: {column}, {values}nullable: true, comment: It., unit: none}}
"""


def extra(
    *,
    name: str = "size",
    kind: str = "int64",
    sensitivity: str = "technical",
    treatment: str = "bucket[pow2,40]",
    purpose: str = "P01",
    since: int = 1,
    column: str = "int64",
    values: str = "",
) -> str:
    return MINIMAL + EXTRA.format(**locals())


def parse(text: str) -> EventSchema:
    return parse_schema(text, "ping/v1.yaml", WORDS)


def test_a_complete_file_loads() -> None:
    schema = parse(extra())
    assert (schema.event, schema.version, schema.time_field) == ("ping", 1, "at")
    assert [field.name for field in schema.fields] == ["event", "version", "event_id", "at", "size"]
    assert str(schema.field("size").treatment) == "bucket[pow2,40]"
    assert schema.raw.names == ["event", "version", "event_id", "at", "size", "_offset", "_size"]
    assert schema.stored.names == [
        "event_date",
        "event_hour",
        "event_token",
        "schema_version",
        "size",
    ]
    with pytest.raises(KeyError):
        schema.field("nothing")


def test_stored_columns_carry_their_words() -> None:
    stored = parse(MINIMAL).stored.field("event_token")
    assert stored.metadata == {
        b"comment": b"Token.",
        b"unit": b"x",
        b"sensitivity": b"identifying",
        b"since": b"1",
        b"values": b"token",
    }


@pytest.mark.parametrize("key", ["sensitivity", "treatment", "purpose", "comment", "unit", "since"])
def test_a_field_without_one_of_its_words_does_not_load(key: str) -> None:
    head, field, tail = MINIMAL.partition("  at:\n")
    without = head + field + re.sub(rf"    {key}: .*\n", "", tail, count=1)
    assert without != MINIMAL
    with pytest.raises(SchemaError, match=f"'{key}' is missing") as raised:
        parse(without)
    assert raised.value.where == "ping/v1.yaml: at"
    assert raised.value.remedy


@pytest.mark.parametrize("key", ["type", "columns", "name", "nullable"])
def test_a_field_or_column_without_its_shape_does_not_load(key: str) -> None:
    broken = MINIMAL.replace(f"    {key}:", f"    {key}x:").replace(f"{key}: ", f"{key}x: ")
    with pytest.raises(SchemaError, match=f"'{key}' is missing"):
        parse(broken)


@pytest.mark.parametrize("treatment", ["keep", "bucket[pow2,40]", "floor[hour]"])
@pytest.mark.parametrize("sensitivity", ["identifying", "content"])
def test_identifying_fields_and_content_are_not_kept(treatment: str, sensitivity: str) -> None:
    kind = "timestamp" if treatment.startswith("floor") else "int64"
    with pytest.raises(SchemaError, match=f"{sensitivity} may only have"):
        parse(extra(kind=kind, sensitivity=sensitivity, treatment=treatment))


@pytest.mark.parametrize("sensitivity", ["technical", "interaction", "content", "identifying"])
def test_text_is_never_kept_as_it_came(sensitivity: str) -> None:
    declared = extra(
        kind="string",
        sensitivity=sensitivity,
        treatment="keep",
        column="string",
        values="values: models, ",
    )
    with pytest.raises(SchemaError, match="keep applies to fields of type float64, int64"):
        parse(declared)


def test_content_is_not_truncated() -> None:
    with pytest.raises(SchemaError, match="content may only have"):
        parse(extra(kind="string", sensitivity="content", treatment="truncate[16,32]"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"treatment": "hash[md5]"}, "treatments are keep, drop"),
        ({"treatment": "bucket"}, "bucket is written"),
        ({"kind": "text"}, "'text' is not a type"),
        ({"sensitivity": "secret"}, "is not a sensitivity"),
        ({"purpose": "P06"}, "is not a purpose"),
        ({"purpose": "because"}, "is not a purpose"),
        ({"since": 2}, "out of range"),
        ({"column": "uint64"}, "is not a type"),
        ({"column": "string"}, "'values' is missing"),
        ({"column": "string", "values": "values: anything, "}, "is not a values"),
        ({"values": "valuse: models, "}, "'valuse' is not known"),
        ({"name": "Size"}, "snake_case"),
        ({"name": "event_date"}, "declared twice"),
        ({"treatment": "drop"}, "makes 0 columns; 1 declared"),
        ({"kind": "string", "treatment": "generalize[agent]"}, "makes 4 columns"),
        ({"kind": "timestamp", "treatment": "floor[hour]"}, "makes 2 columns"),
    ],
)
def test_a_declaration_that_is_off_names_file_and_remedy(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(SchemaError, match=message) as raised:
        parse(extra(**change))  # type: ignore[arg-type]
    assert raised.value.where.startswith("ping/v1.yaml")
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("event: ping", "event: Ping", "event or version is invalid"),
        ("version: 1\n", "version: 0\n", "event or version is invalid"),
        ("time_field: at", "time_field: when", "'when' is not declared"),
        ("time_field: at", "time_field: event_id", "'event_id' is not a required timestamp"),
        ("type: identifier\n    required: true", "type: identifier", "not a required identifier"),
        ("  event_id:", "  event_name:", "'event_id' is not declared"),
        ("comment: Something happened.\n", "", "'comment' is missing"),
        ("time_field:", "extra: x\ntime_field:", "'extra' is not known"),
        ("    type: timestamp", "    colour: red\n    type: timestamp", "'colour' is not known"),
    ],
)
def test_a_file_that_is_off_as_a_whole_does_not_load(old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(SchemaError, match=message):
        parse(MINIMAL.replace(old, new, 1))


TIME = "timestamp[us, tz=UTC]"
RAW = {
    "api_request": f"""
        event string, version int64, event_id string, occurred_at {TIME}, account_id string,
        session_id string, client_ip string, forwarded_for string, method string, path string,
        status int64, latency_ms double, queue_ms double, bytes_in int64, bytes_out int64,
        error_code string, error_message string, model string, region string, sdk_name string,
        sdk_version string, user_agent string, referrer string, plan string,
        account_created_on date32[day], gpc string, dnt string, _offset int64, _size int32""",
    "session": f"""
        event string, version int64, event_id string, session_id string, started_at {TIME},
        ended_at {TIME}, account_id string, client_ip string, forwarded_for string,
        user_agent string, connection_type string, protocol string, model string, region string,
        plan string, account_created_on date32[day], rtt_ms double, packet_loss double,
        bitrate_kbps double, fps double, video_height int64, time_to_first_frame_ms double,
        freeze_ms double, end_reason string, features list<item: string>, gpc string, dnt string,
        _offset int64, _size int32""",
    "feature_use": f"""
        event string, version int64, event_id string, occurred_at {TIME}, account_id string,
        session_id string, feature string, action string, model string, plan string,
        account_created_on date32[day], user_agent string, client_ip string,
        forwarded_for string, gpc string, dnt string, _offset int64, _size int32""",
    "error_log": f"""
        event string, version int64, event_id string, occurred_at {TIME}, account_id string,
        session_id string, component string, severity string, error_code string, message string,
        model string, region string, gpc string, dnt string, _offset int64, _size int32""",
}
REQUIRED = {
    "api_request": {"event", "version", "event_id", "occurred_at"},
    "session": {"event", "version", "event_id", "session_id", "started_at"},
    "feature_use": {"event", "version", "event_id", "occurred_at"},
    "error_log": {"event", "version", "event_id", "occurred_at"},
}


@pytest.mark.parametrize("event", sorted(RAW))
def test_raw_fields_are_exactly_those_of_the_contract(event: str) -> None:
    for schema in load_schemas()[event]:
        found = ", ".join(f"{field.name} {field.type}" for field in schema.raw)
        assert found == " ".join(RAW[event].split())
        assert {field.name for field in schema.fields if field.required} == REQUIRED[event]


def test_every_text_column_says_what_its_values_can_be() -> None:
    for schemas in load_schemas().values():
        for column in schemas[-1].columns:
            textual = column.type in (pa.string(), pa.list_(pa.string()))
            assert textual == (column.values is not None), column.name


def test_the_packaged_files_are_read_alike_by_an_ordinary_yaml_reader() -> None:
    """Nothing in them needs our reader's rules: other tools see the same text."""
    import yaml

    from pipeline.events.documents import read_document

    root = Path(str(packaged()))
    for path in [*root.glob("*/v*.yaml"), *root.glob("catalogue/*.yaml")]:
        text = path.read_text("utf-8")
        ours = read_document(text, path.name)
        assert yaml.safe_load(text) == ours._values, path
