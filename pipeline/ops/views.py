"""DuckDB over the lake's snapshot: a view for each event, read-only, nothing else in reach.

The views have exactly the declared columns, whatever the files have: a column that an older file
lacks is null. They read the files that the log names, never a glob, so a rewrite never shows a
row twice; and they hide each day from its 89th day on, when it is about to expire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from pipeline.errors import UsageError
from pipeline.events.schema import EventSchema
from pipeline.io.lake.event_table import EVENT_DATE
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.rejection_table import INGEST_DATE, STORED
from pipeline.io.lake.snapshot import PartFile

REJECTIONS = "rejections"
"""The view of messages that were refused."""
HIDDEN_FROM_DAY = 89
MEMORY_MIB = 2048
_EXPLAIN = re.compile(r"\A\s*EXPLAIN\b(?:\s+ANALYZE\b)?(?:\s*\([^)]*\))?", re.IGNORECASE)

_TYPES = {
    pa.string(): "VARCHAR",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.date32(): "DATE",
}


@dataclass(frozen=True, slots=True)
class View:
    """One view: its columns, including the partition column, and the files it reads."""

    name: str
    columns: pa.Schema
    partition: str
    files: tuple[PartFile, ...]
    dataset: pads.Dataset | None = None
    """The same files, where DuckDB cannot open them itself: in an object store."""


def oldest_visible(today: date) -> date:
    """The first day that readers may see."""
    return today - timedelta(days=HIDDEN_FROM_DAY - 1)


def visible(files: Iterable[PartFile], today: date) -> tuple[PartFile, ...]:
    """The files of days that readers may see: younger than 89 days."""
    oldest = oldest_visible(today)
    return tuple(file for file in files if file.day >= oldest)


def lake_views(
    lake: Lake, schemas: Mapping[str, tuple[EventSchema, ...]], today: date
) -> list[View]:
    """Return a view for each event, with its newest schema's columns, and one for rejections.

    They show the lake's current snapshot. Raises LakeError, KeyUnavailable for encrypted files.
    """
    views = []
    for event, versions in schemas.items():
        stored = versions[-1].stored
        table = lake.events(event, stored)
        files = visible(table.snapshot().files, today)
        dataset = table.dataset([file.path for file in files])
        views.append(View(event, stored, EVENT_DATE, files, dataset))
    refused = lake.rejections()
    kept = refused.snapshot().files
    dataset = refused.dataset([file.path for file in kept])
    views.append(View(REJECTIONS, STORED, INGEST_DATE, kept, dataset))
    return views


def files_of(views: Iterable[View]) -> set[str]:
    """Where the files of the views are."""
    return {file.uri for view in views for file in view.files}


def open_views(views: Sequence[View]) -> duckdb.DuckDBPyConnection:
    """Open DuckDB in memory with the views, then lock it: no other file, network or setting.

    A query that needs more than `MEMORY_MIB` fails: rows are not spilled.
    """
    connection = duckdb.connect(":memory:")
    connection.execute("SET temp_directory = ''")
    connection.execute(f"SET memory_limit = '{MEMORY_MIB}MiB'")
    connection.execute("SET TimeZone = 'UTC'")
    for view in views:
        connection.execute(_create(connection, view))
    paths = [file.uri for view in views if view.dataset is None for file in view.files]
    connection.execute(f"SET allowed_paths = [{', '.join(map(_text, paths))}]")
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _create(connection: duckdb.DuckDBPyConnection, view: View) -> str:
    name, source = _name(view.name), _source(connection, view)
    present = set() if source is None else _columns_of(connection, source)
    columns = ", ".join(_column(field, present) for field in view.columns)
    if source is None:
        return f"CREATE VIEW {name} AS SELECT {columns} WHERE false"
    return f"CREATE VIEW {name} AS SELECT {columns} FROM {source}"


def _source(connection: duckdb.DuckDBPyConnection, view: View) -> str | None:
    if not view.files:
        return None
    if view.dataset is not None:
        connection.register(f"{view.name}_files", view.dataset)
        return _name(f"{view.name}_files")
    paths = ", ".join(_text(file.uri) for file in view.files)
    return (
        f"read_parquet([{paths}], hive_partitioning = true, union_by_name = true, "
        f"hive_types = {{{_text(view.partition)}: DATE}})"
    )


def _columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> set[str]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {str(row[0]) for row in described}


def _column(field: pa.Field, present: set[str]) -> str:
    name = _name(field.name)
    value = name if field.name in present else "NULL"
    return f"CAST({value} AS {_sql_type(field.type)}) AS {name}"


def _sql_type(kind: pa.DataType) -> str:
    # A table's log names the values of a list differently from a schema.
    return "VARCHAR[]" if pa.types.is_list(kind) else _TYPES[kind]


@contextmanager
def reading(database: duckdb.DuckDBPyConnection, query: str) -> Iterator[None]:
    """Let the body run a query: a single statement that only reads.

    Raises UsageError with DuckDB's explanation if it cannot be run. The explanation may quote the
    query, which the user wrote, and stored values, which are anonymized.
    """
    try:
        if not is_reading(database, query):
            raise UsageError(
                "only one statement that reads is run",
                remedy="Use one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN",
            )
        yield
    except duckdb.Error as error:
        raise UsageError(
            "the query cannot be run",
            why=str(error).strip(),
            remedy='Views and columns: telemetry sql "SELECT view_name FROM duckdb_views() WHERE '
            'NOT internal", telemetry sql "DESCRIBE api_request"',
        ) from None


def is_reading(connection: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether the text is one statement that can only read. Raises `duckdb.Error` on bad syntax.

    The lock of `open_views` does not stop `COPY .. TO` from overwriting a file that may be read.
    """
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        return False
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE executes its statement, so that statement has to be a reading one.
        inner = _EXPLAIN.sub("", query, count=1)
        return inner != query and is_reading(connection, inner)
    return bool(kind == duckdb.StatementType.SELECT)


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
