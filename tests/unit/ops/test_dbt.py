"""Sources for dbt: every column described, and its tests are what the schema says."""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.ops.dbt import dbt_sources
from pipeline.ops.ddl import ddl

SCHEMAS = [versions[-1] for _, versions in sorted(load_schemas().items())]
CATALOGUE = load_catalogue(None)


def tables(lake: str = "/data/lake") -> dict[str, dict[str, Any]]:
    [source] = yaml.safe_load(dbt_sources(SCHEMAS, CATALOGUE, lake))["sources"]
    return {table["name"]: table for table in source["tables"]}


def checks_of(column: dict[str, Any]) -> dict[str, Any]:
    """The tests of a column by name, each with its arguments."""
    named = (
        test if isinstance(test, dict) else {test: {}} for test in column.get("data_tests", [])
    )
    return {name: body.get("arguments", {}) for test in named for name, body in test.items()}


def test_every_column_of_every_event_is_there_and_described() -> None:
    for schema in SCHEMAS:
        columns = tables()[schema.event]["columns"]
        assert [column["name"] for column in columns] == [column.name for column in schema.columns]
        assert [column["description"] for column in columns] == [
            column.comment for column in schema.columns
        ]


def test_a_column_that_is_never_null_is_tested_for_it_and_no_other() -> None:
    for schema in SCHEMAS:
        for column, made in zip(schema.columns, tables()[schema.event]["columns"], strict=True):
            never = not column.nullable or column.name == "event_date"
            assert ("not_null" in checks_of(made)) == never


def test_a_closed_list_is_tested_with_its_fallback() -> None:
    columns = {column["name"]: column for column in tables()["api_request"]["columns"]}
    for name, fallback in (("method", "other"), ("error_code", "unregistered")):
        values = checks_of(columns[name])["accepted_values"]["values"]
        assert fallback in values
        assert values == sorted(values)
    for name in ("subject", "ip_prefix", "latency_ms"):
        assert "accepted_values" not in checks_of(columns[name])


def test_duckdb_reads_the_files_that_the_ddl_reads() -> None:
    for table in tables("s3://bucket/lake/").values():
        place = table["config"]["meta"]["external_location"]
        assert place in ddl("duckdb", SCHEMAS, "s3://bucket/lake")
