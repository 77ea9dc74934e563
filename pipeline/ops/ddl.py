"""Statements that create the lake's tables in other engines, with comments and the day-89 view.

Each engine gets a table over the files (or, in DuckDB, a view) and a view that names every column
and hides each day from its 89th day on. The partition column is not in the files: every statement
says where it comes from. A semicolon ends a statement and occurs nowhere else, so that the text can
be split there: `spark.sql` takes one statement at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pyarrow as pa

from pipeline.events.schema import Column, EventSchema
from pipeline.ops.views import HIDDEN_FROM_DAY

PARTITION = "event_date"

_SPARK = {
    pa.string(): "STRING",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.date32(): "DATE",
    pa.list_(pa.string()): "ARRAY<STRING>",
}
_TRINO = {
    **_SPARK,
    pa.string(): "varchar",
    pa.float32(): "real",
    pa.int32(): "integer",
    pa.list_(pa.string()): "array(varchar)",
}
DUCKDB_TYPES = {
    **_SPARK,
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.list_(pa.string()): "VARCHAR[]",
}
_BIGQUERY = {
    pa.string(): "STRING",
    **dict.fromkeys([pa.int8(), pa.int16(), pa.int32(), pa.int64()], "INT64"),
    pa.float32(): "FLOAT64",
    pa.date32(): "DATE",
    pa.list_(pa.string()): "ARRAY<STRING>",
}


def ddl(engine: str, schemas: Iterable[EventSchema], lake: str) -> str:
    """The statements for one of `ENGINES`, for a lake at this path or URL."""
    write = ENGINES[engine]
    return "\n".join(write(schema, lake.rstrip("/")) for schema in schemas)


def _remark(column: Column) -> str:
    return column.comment.replace(";", ",")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _backslashed(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lines(lines: Iterable[str], indent: str = "  ") -> str:
    return ",\n".join(f"{indent}{line}" for line in lines)


def _columns(
    schema: EventSchema, types: Mapping[pa.DataType, str], comment: str, quote: Callable[[str], str]
) -> list[str]:
    """`name TYPE COMMENT '...'` for every column but the partition."""
    return [
        f"{column.name} {types[column.type]} {comment.format(quote(_remark(column)))}"
        for column in schema.columns
        if column.name != PARTITION
    ]


def _select(schema: EventSchema) -> str:
    return _lines((column.name for column in schema.columns), "  ")


def duckdb_files(schema: EventSchema, lake: str) -> str:
    """The files of an event as DuckDB's `read_parquet`, for a lake without a slash at its end."""
    path = _quoted(f"{lake}/events/{schema.event}/{PARTITION}=*/*.parquet")
    return (
        f"read_parquet({path}, hive_partitioning = true,\n"
        f"  hive_types = {{'{PARTITION}': DATE}}, union_by_name = true)"
    )


def _duckdb(schema: EventSchema, lake: str) -> str:
    columns = _lines(
        f"CAST({column.name} AS {DUCKDB_TYPES[column.type]}) AS {column.name}"
        for column in schema.columns
    )
    comments = "\n".join(
        f"COMMENT ON COLUMN {schema.event}.{column.name} IS {_quoted(_remark(column))};"
        for column in schema.columns
    )
    return (
        f"CREATE OR REPLACE VIEW {schema.event} AS SELECT\n{columns}\n"
        f"FROM {duckdb_files(schema, lake)}\n"
        f"WHERE {PARTITION} > CAST(now() AT TIME ZONE 'UTC' AS DATE) - {HIDDEN_FROM_DAY};\n"
        f"{comments}\n"
    )


def _spark(schema: EventSchema, lake: str) -> str:
    columns = _lines(
        [*_columns(schema, _SPARK, "COMMENT {}", _backslashed), f"{PARTITION} DATE"],
    )
    return (
        f"CREATE TABLE {schema.event}_files (\n{columns}\n)\n"
        f"USING PARQUET PARTITIONED BY ({PARTITION})\n"
        f"LOCATION {_backslashed(f'{lake}/events/{schema.event}')};\n"
        f"MSCK REPAIR TABLE {schema.event}_files;\n"
        f"CREATE OR REPLACE VIEW {schema.event} AS SELECT\n{_select(schema)}\n"
        f"FROM {schema.event}_files\n"
        f"WHERE {PARTITION} > date_sub(current_date(), {HIDDEN_FROM_DAY});\n"
    )


def _trino(schema: EventSchema, lake: str) -> str:
    columns = _lines(
        [*_columns(schema, _TRINO, "COMMENT {}", _quoted), f"{PARTITION} date"],
    )
    return (
        f"CREATE TABLE hive.telemetry.{schema.event}_files (\n{columns}\n)\n"
        f"WITH (format = 'PARQUET', partitioned_by = ARRAY['{PARTITION}'],\n"
        f"  external_location = {_quoted(f'{lake}/events/{schema.event}')});\n"
        f"CALL hive.system.sync_partition_metadata('telemetry', '{schema.event}_files', 'FULL');\n"
        f"CREATE OR REPLACE VIEW hive.telemetry.{schema.event} AS SELECT\n{_select(schema)}\n"
        f"FROM hive.telemetry.{schema.event}_files\n"
        f"WHERE {PARTITION} > date_add('day', -{HIDDEN_FROM_DAY}, CAST(current_timestamp AT TIME "
        "ZONE 'UTC' AS date));\n"
    )


def _bigquery(schema: EventSchema, lake: str) -> str:
    columns = _lines(_columns(schema, _BIGQUERY, "OPTIONS (description = {})", _backslashed))
    prefix = f"{lake}/events/{schema.event}"
    return (
        f"CREATE OR REPLACE EXTERNAL TABLE telemetry.{schema.event}_files (\n{columns}\n)\n"
        f"WITH PARTITION COLUMNS ({PARTITION} DATE)\n"
        "OPTIONS (format = 'PARQUET', require_hive_partition_filter = true,\n"
        f"  hive_partition_uri_prefix = {_backslashed(prefix)},\n"
        f"  uris = [{_backslashed(f'{prefix}/{PARTITION}=*')}]);\n"
        f"CREATE OR REPLACE VIEW telemetry.{schema.event} AS SELECT\n{_select(schema)}\n"
        f"FROM telemetry.{schema.event}_files\n"
        f"WHERE {PARTITION} > DATE_SUB(CURRENT_DATE('UTC'), INTERVAL {HIDDEN_FROM_DAY} DAY);\n"
    )


ENGINES: Mapping[str, Callable[[EventSchema, str], str]] = {
    "duckdb": _duckdb,
    "spark": _spark,
    "trino": _trino,
    "bigquery": _bigquery,
}
"""Which function writes the statements for each engine."""
