"""Days of the lake in an in-memory DuckDB: the columns that the populations read, each event once.

Subjects become 64-bit hashes of their tokens (two that collide count as one account, so the
error can only hide). A text with few different values becomes a number with a name (a DuckDB ENUM,
the same for all events): it reads, compares and sorts like the text, and grouping tables by it is
several times as fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from pipeline.events.schema import EVENT_TOKEN, SESSION, SUBJECT
from pipeline.ops.rollup.registry import Registry
from pipeline.privacy.identity.epochs import ORIGIN, EpochKind

HASHED = frozenset({SUBJECT, SESSION, EVENT_TOKEN})
"""Columns of tokens: their hashes are loaded."""

FEW_VALUES = 5_000
"""A text column with more different values than this stays text."""

FEWER_VALUES = 250
"""Up to this many values, looking one up in a list pays off: DuckDB does it once for each value of
a Parquet file's dictionary, but casts row by row."""


@dataclass(frozen=True, slots=True)
class DayFiles:
    """The files of one event on one day, as the lake's snapshot or a listing names them."""

    event: str
    day: date
    uris: tuple[str, ...]
    rows: int
    digest: str
    """Changes whenever the files change."""


Datasets = Callable[[str, Sequence[str]], pads.Dataset]
"""Opens an event's files where DuckDB cannot: in an object store."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the loaded rows are known to hold."""

    collected: frozenset[str]
    """Columns, as `event.column`, that hold any value on these days."""
    duplicates: Mapping[tuple[str, date], int]
    """How many copies were left out, by event and day."""
    accounts: pa.Table = field(repr=False)
    """Every account once: `subject`, as the rows have it, and its `token`."""


def load_rows(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    files: Sequence[DayFiles],
    schemas: Mapping[str, pa.Schema],
    epoch: EpochKind,
    datasets: Datasets | None,
) -> Held:
    """Create one table for each event of the registry, empty for one without files."""
    sources: dict[str, _Source] = {}
    for view in registry.views.values():
        schema = schemas[view.event]
        uris = [uri for file in files if file.event == view.event for uri in file.uris]
        wanted = [name for name in view.columns if name in schema.names]
        sources[view.event] = _source(connection, view.event, uris, wanted, schema, datasets)
    values = _values(connection, list(sources.values()))
    for name, texts in values.items():
        connection.execute(f"CREATE TYPE {_type(name)} AS ENUM ({_list(texts)})")
    collected: set[str] = set()
    duplicates: dict[tuple[str, date], int] = {}
    accounts = _accounts(connection, list(sources.values()))
    for event, source in sources.items():
        _load_event(connection, event, source, values, epoch)
        duplicates |= _deduplicate(connection, event)
        counts = ", ".join(f"count({name})" for name in source.columns)
        (row,) = connection.execute(f"SELECT {counts} FROM {event}").fetchall()
        held = zip(source.columns, row, strict=True)
        collected |= {f"{event}.{name}" for name, count in held if count}
    return Held(frozenset(collected), duplicates, accounts)


@dataclass(frozen=True, slots=True)
class _Source:
    """Where an event's rows come from."""

    sql: str
    """What to select from; empty if there are no files."""
    columns: Sequence[str]
    """The columns that are wanted."""
    stored: frozenset[str]
    """The columns that the files have."""
    schema: pa.Schema
    from_files: bool
    """Whether DuckDB reads the files itself; otherwise their rows were fetched."""

    def texts(self) -> list[str]:
        """The wanted text columns that the files have, without tokens."""
        return [
            name
            for name in self.columns
            if name in self.stored - HASHED and self.schema.field(name).type == pa.string()
        ]


def _source(
    connection: duckdb.DuckDBPyConnection,
    event: str,
    uris: Sequence[str],
    wanted: Sequence[str],
    schema: pa.Schema,
    datasets: Datasets | None,
) -> _Source:
    if not uris:
        return _Source("", wanted, frozenset(), schema, False)
    if datasets is None:
        names = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
        sql = (
            f"read_parquet([{names}], hive_partitioning=true, hive_types={{'event_date': DATE}},"
            " union_by_name=true)"
        )
    else:
        sql = f"{event}_files"
        connection.register(sql, datasets(event, uris))
    described = connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()
    stored = frozenset(row[0] for row in described)
    if datasets is not None:
        # Fetched once: the rows are read twice, and the store may be far away.
        columns = [name for name in ("event_date", *wanted, EVENT_TOKEN) if name in stored]
        connection.execute(
            f"CREATE TEMP TABLE {event}_fetched AS SELECT {', '.join(columns)} FROM {sql}"
        )
        connection.unregister(sql)
        sql = f"{event}_fetched"
    return _Source(sql, wanted, stored, schema, datasets is None)


def _values(
    connection: duckdb.DuckDBPyConnection, sources: Sequence[_Source]
) -> Mapping[str, Sequence[str]]:
    """The values of each text column that has few of them, over all events, in their order."""
    values: dict[str, set[str]] = {}
    for source in sources:
        texts = source.texts()
        if not texts:
            continue
        found = ", ".join(f"list(DISTINCT {name})" for name in texts)
        (row,) = connection.execute(f"SELECT {found} FROM {source.sql}").fetchall()
        for name, distinct in zip(texts, row, strict=True):
            held = (value for value in distinct or () if value is not None)
            values.setdefault(name, set()).update(held)
    known = {name: sorted(found) for name, found in values.items()}
    return {name: found for name, found in known.items() if 0 < len(found) <= FEW_VALUES}


def _accounts(connection: duckdb.DuckDBPyConnection, sources: Sequence[_Source]) -> pa.Table:
    """Every account of the files: the number that stands for it in the rows, and its token."""
    found = [
        f"SELECT DISTINCT {_hashed('subject')} AS subject, subject AS token FROM {source.sql}"
        for source in sources
        if SUBJECT in source.stored
    ] or ["SELECT CAST(NULL AS BIGINT) AS subject, CAST(NULL AS VARCHAR) AS token"]
    return connection.sql(
        f"SELECT subject, min(token) AS token FROM ({' UNION ALL '.join(found)})"
        " WHERE subject IS NOT NULL GROUP BY subject ORDER BY subject"
    ).to_arrow_table()


def _type(name: str) -> str:
    return f"values_of_{name}"


def _list(values: Sequence[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def _named(name: str, values: Sequence[str], from_files: bool) -> str:
    """SQL that converts a column's text to a value of its type."""
    if not from_files or len(values) > FEWER_VALUES:
        return f"CAST({name} AS {_type(name)})"
    texts = _list(values)
    return f"list_extract(CAST([{texts}] AS {_type(name)}[]), list_position([{texts}], {name}))"


def _load_event(
    connection: duckdb.DuckDBPyConnection,
    event: str,
    source: _Source,
    values: Mapping[str, Sequence[str]],
    epoch: EpochKind,
) -> None:
    picked = []
    for name in [*source.columns, EVENT_TOKEN]:
        kind = _type(name) if name in values else _sql_type(source.schema.field(name).type)
        sql = name if name in source.stored else f"CAST(NULL AS {kind})"
        if name in HASHED:
            sql = _hashed(sql)
        elif name in values and name in source.stored:
            sql = _named(name, values[name], source.from_files)
        picked.append(f"{sql} AS {name}")
    week = f"DATE '{ORIGIN}' + CAST((event_date - DATE '{ORIGIN}') // 7 * 7 AS INTEGER) AS week"
    period = (
        f"DATE '{ORIGIN}' + CAST((event_date - DATE '{ORIGIN}') // {epoch.days} * {epoch.days}"
        " AS INTEGER) AS period"
    )
    rows = source.sql or "(SELECT CAST(NULL AS DATE) AS event_date LIMIT 0)"
    connection.execute(
        f"CREATE TEMP TABLE {event} AS"
        f" SELECT event_date, {week}, {period}, {', '.join(picked)} FROM {rows}"
    )
    if source.sql and not source.from_files:
        connection.execute(f"DROP TABLE {source.sql}")


def _hashed(sql: str) -> str:
    return f"CASE WHEN {sql} IS NOT NULL THEN CAST(hash({sql}) >> 1 AS BIGINT) END"


def _deduplicate(connection: duckdb.DuckDBPyConnection, event: str) -> dict[tuple[str, date], int]:
    """Keep one of the copies of an event; sealed days have no tokens and no copies."""
    copies = connection.execute(
        "SELECT event_date, sum(n - 1)::BIGINT FROM (SELECT event_date, count(*) AS n"
        f" FROM {event} WHERE event_token IS NOT NULL GROUP BY event_date, event_token"
        " HAVING count(*) > 1) GROUP BY ALL"
    ).fetchall()
    if copies:
        connection.execute(
            f"DELETE FROM {event} WHERE rowid IN (SELECT rowid FROM (SELECT rowid, row_number()"
            f" OVER (PARTITION BY event_date, event_token ORDER BY rowid) AS n FROM {event}"
            " WHERE event_token IS NOT NULL) WHERE n > 1)"
        )
    return {(event, day): count for day, count in copies}


_SQL_TYPES = {
    pa.string(): "VARCHAR", pa.int8(): "TINYINT", pa.int16(): "SMALLINT", pa.int32(): "INTEGER",
    pa.int64(): "BIGINT", pa.float32(): "FLOAT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN",
}  # fmt: skip


def _sql_type(kind: pa.DataType) -> str:
    return "VARCHAR[]" if pa.types.is_list(kind) else _SQL_TYPES[kind]
