"""The lake's tables as dbt sources, with tests for what their schemas say about every column.

A closed list becomes `accepted_values`, a column that is never null `not_null`. dbt-duckdb reads
the files at `external_location`; other adapters read the tables that `telemetry schema ddl`
created.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from pipeline.events.catalogue import Catalogue
from pipeline.events.schema import Column, EventSchema
from pipeline.ops.ddl import DUCKDB_TYPES, PARTITION, duckdb_files

SOURCE = "telemetry"


def dbt_sources(schemas: Iterable[EventSchema], catalogue: Catalogue, lake: str) -> str:
    """The text of a `sources.yml` for a lake at this path or URL."""
    tables = [_table(schema, catalogue, lake) for schema in schemas]
    described = "Pseudonymous usage telemetry; rows are gone after 90 days."
    document = {
        "version": 2,
        "sources": [{"name": SOURCE, "description": described, "tables": tables}],
    }
    return yaml.safe_dump(document, sort_keys=False, width=100)


def _table(schema: EventSchema, catalogue: Catalogue, lake: str) -> dict[str, Any]:
    # The location is a template: this is the dbt-duckdb formatter that leaves braces alone.
    location = duckdb_files(schema, lake.rstrip("/")).replace("%", "%%")
    return {
        "name": schema.event,
        "description": schema.comment,
        "config": {"meta": {"external_location": location, "formatter": "oldstyle"}},
        "columns": [_column(column, catalogue) for column in schema.columns],
    }


def _column(column: Column, catalogue: Catalogue) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "description": column.comment,
        "data_type": DUCKDB_TYPES[column.type],
    }
    tests: list[object] = []
    if not column.nullable or column.name == PARTITION:
        tests.append("not_null")
    if column.is_closed and column.values is not None:
        values = sorted(catalogue.storable(column.values))
        tests.append({"accepted_values": {"arguments": {"values": values}}})
    return {**entry, "data_tests": tests} if tests else entry
