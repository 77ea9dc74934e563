"""From the lake's files to contributions: what each account added to each cell of a table.

Days are loaded into an in-memory DuckDB with the columns that the populations read, each event
once, subjects as 64-bit hashes of their tokens (two that collide count as one account, so the
error can only hide). Tables of the same population, window and dimensions share one query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads

from pipeline.errors import LakeError
from pipeline.ops.rollup_registry import Kind, Metric, Population, Registry, Window
from pipeline.privacy.epochs import ORIGIN, EpochKind

HABITS = frozenset(
    {
        "account_age", "client_family", "connection_type", "country", "device_class", "os_family",
        "plan", "region", "sdk", "sdk_version", "referrer_class",
    }
)  # fmt: skip
"""Columns that hardly vary within an account's day: tables cut by them alone are added up from
one summary of the population, a tenth of its size."""

FEW_TABLES = 3
"""From this many tables on, a summary pays."""

MISSING = "(not reported)"
"""The cell of events whose dimension is null."""

_WINDOW_START = {Window.DAY: "event_date", Window.WEEK: "week", Window.PERIOD: "period"}


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
class Pass:
    """One query: the tables that share a population, a window, dimensions and a filter."""

    population: str
    window: Window
    by: tuple[str, ...]
    column: str
    """The column of percentiles, or nothing."""
    metrics: tuple[Metric, ...]

    @property
    def rests_on_habits(self) -> bool:
        """Whether the summary by habits is enough to compute it."""
        return HABITS.issuperset(self.by)

    @property
    def summary(self) -> str:
        """Name of that summary."""
        return f"{self.population}_{self.column}_by_habits"


def passes(registry: Registry, windows: Sequence[Window]) -> list[Pass]:
    """Group the tables of those windows into as few queries as possible."""
    groups: dict[tuple[str, Window, tuple[str, ...], str], list[Metric]] = {}
    for metric in registry.metrics.values():
        column = metric.measure if metric.kind is Kind.PERCENTILES else ""
        for window, by in metric.tables:
            if window in windows and metric.population:
                groups.setdefault((metric.population, window, by, column), []).append(metric)
    return [Pass(*key, tuple(metrics)) for key, metrics in groups.items()]


class Loaded:
    """Days in memory, ready to be asked; made by `load`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, registry: Registry,
        collected: frozenset[str], duplicates: Mapping[tuple[str, date], int],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._registry = registry
        self.collected = collected
        """Columns, as `event.column`, that hold any value on these days."""
        self.duplicates = duplicates
        """How many copies were left out, by event and day."""
        self._prepared: set[str] = set()

    def contributions(self, task: Pass) -> pa.Table:
        """start, the dimensions, subject, events, and `<metric>` / `<metric>/of` for sums."""
        self._prepare(self._registry.populations[task.population])
        if not task.rests_on_habits:
            return _arrow(self._connection, contribution_sql(task))
        kin = [
            other
            for other in passes(self._registry, tuple(Window))
            if other.summary == task.summary and other.rests_on_habits
        ]
        if len(kin) < FEW_TABLES:
            return _arrow(self._connection, contribution_sql(task))
        if task.summary not in self._prepared:
            sql = summary_sql(kin)
            self._connection.execute(f"CREATE TEMP TABLE {task.summary} AS {sql}")
            self._prepared.add(task.summary)
        return _arrow(self._connection, total_sql(task))

    def histogram(self, task: Pass) -> pa.Table:
        """start, the dimensions, `bucket` (the stored value) and events, for percentiles."""
        self._prepare(self._registry.populations[task.population])
        return _arrow(self._connection, histogram_sql(task))

    def memberships(
        self, population: str, dimensions: Sequence[str]
    ) -> Iterator[tuple[object, str, str]]:
        """Which account is in which cell of each dimension, once: (account, dimension, value)."""
        self._prepare(self._registry.populations[population])
        for name in dimensions:
            found = self._connection.execute(
                f"SELECT DISTINCT subject, {name} FROM {population}"
                f" WHERE subject IS NOT NULL AND {name} IS NOT NULL"
            )
            yield from ((account, name, value) for account, value in found.fetchall())

    def _prepare(self, population: Population) -> None:
        """Create the population's view, and before it those of the populations it names."""
        for name, other in self._registry.populations.items():
            if name in self._prepared or (name != population.name and name not in population.sql):
                continue
            if name != population.name:
                self._prepare(other)
                continue
            kind = "TABLE" if other.stored else "VIEW"
            self._connection.execute(f"CREATE TEMP {kind} {name} AS {other.sql}")
            self._prepared.add(name)


def contribution_sql(task: Pass) -> str:
    """The query of one pass: what each account contributed to each cell."""
    sums = [
        f'coalesce(CAST({sql} AS DOUBLE), 0) AS "{name}"'
        for metric in task.metrics
        for name, sql in _sums(metric)
    ]
    columns = [*_keys(task), "subject", "count(*) AS events", *sums]
    return f"SELECT {', '.join(columns)} FROM {task.population}{_where(task)} GROUP BY ALL"


def summary_sql(kin: Sequence[Pass]) -> str:
    """The query that adds up a population by account, day and habits, for all its tables."""
    habits = sorted({name for task in kin for name in task.by})
    sums = {name: sql for task in kin for metric in task.metrics for name, sql in _sums(metric)}
    columns = [
        "event_date, week, period, subject",
        *habits,
        "count(*) AS events",
        *(f'CAST({sql} AS DOUBLE) AS "{name}"' for name, sql in sums.items()),
    ]
    first = kin[0]
    return f"SELECT {', '.join(columns)} FROM {first.population}{_where(first)} GROUP BY ALL"


def total_sql(task: Pass) -> str:
    """The query of one pass over the summary; gives the same as `contribution_sql`."""
    sums = [
        f'coalesce(sum("{name}"), 0) AS "{name}"'
        for metric in task.metrics
        for name, _ in _sums(metric)
    ]
    columns = [*_keys(task), "subject", "CAST(sum(events) AS BIGINT) AS events", *sums]
    return f"SELECT {', '.join(columns)} FROM {task.summary} GROUP BY ALL"


def histogram_sql(task: Pass) -> str:
    """The query of one percentile pass: how many events each bucket of each cell holds."""
    columns = [*_keys(task), f"CAST({task.column} AS DOUBLE) AS bucket", "count(*) AS events"]
    return f"SELECT {', '.join(columns)} FROM {task.population}{_where(task)} GROUP BY ALL"


def _keys(task: Pass) -> list[str]:
    cells = [f"coalesce({name}, '{MISSING}') AS {name}" for name in task.by]
    return [f"CAST({_WINDOW_START[task.window]} AS DATE) AS start", *cells]


def _where(task: Pass) -> str:
    return f" WHERE {task.column} IS NOT NULL" if task.column else ""


def _sums(metric: Metric) -> list[tuple[str, str]]:
    if metric.kind is Kind.SUM:
        return [(metric.name, metric.measure)]
    if metric.kind is Kind.RATIO:
        return [(metric.name, metric.measure), (f"{metric.name}/of", metric.denominator)]
    return []


@contextmanager
def load(
    registry: Registry,
    files: Sequence[DayFiles],
    schemas: Mapping[str, pa.Schema],
    epoch: EpochKind,
    memory_mb: int = 640,
    datasets: Datasets | None = None,
) -> Iterator[Loaded]:
    """Load the files of those days. An event of `schemas` without files is an empty view.

    `schemas` are the stored schemas of the events in the lake. Raises LakeError.
    """
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"SET memory_limit='{memory_mb}MB'")
        connection.execute("SET preserve_insertion_order=false")
        connection.execute("SET enable_progress_bar=false")
        collected: set[str] = set()
        duplicates: dict[tuple[str, date], int] = {}
        try:
            for view in registry.views.values():
                mine = [file for file in files if file.event == view.event]
                schema = schemas[view.event]
                wanted = [name for name in view.columns if name in schema.names]
                source = _source(connection, view.event, mine, datasets)
                _load_event(connection, view.event, wanted, schema, source, epoch)
                duplicates |= _deduplicate(connection, view.event)
                counts = ", ".join(f"count({name})" for name in wanted)
                row = connection.execute(f"SELECT {counts} FROM {view.event}").fetchone()
                held = zip(wanted, row or (), strict=True)
                collected |= {f"{view.event}.{name}" for name, count in held if count}
            yield Loaded(connection, registry, frozenset(collected), duplicates)
        except duckdb.Error as error:
            raise _failed(error) from None


def _failed(error: duckdb.Error) -> LakeError:
    """Name what failed. Only messages about the SQL are repeated: others may hold a value."""
    about_sql = isinstance(error, duckdb.ParserException | duckdb.BinderException)
    return LakeError(
        "rows of the lake could not be aggregated",
        why=str(error).replace("\n", " ") if about_sql else type(error).__name__,
        remedy="Check the SQL in schemas/metrics and that the lake's files can be read.",
    )


def _source(
    connection: duckdb.DuckDBPyConnection,
    event: str,
    files: Sequence[DayFiles],
    datasets: Datasets | None,
) -> str | None:
    """What to select an event's rows from; None if there are no files."""
    uris = [uri for file in files for uri in file.uris]
    if not uris:
        return None
    if datasets is not None:
        connection.register(f"{event}_files", datasets(event, uris))
        return f"{event}_files"
    names = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
    return (
        f"read_parquet([{names}], hive_partitioning=true, hive_types={{'event_date': DATE}},"
        " union_by_name=true)"
    )


def _load_event(
    connection: duckdb.DuckDBPyConnection,
    event: str,
    columns: Sequence[str],
    schema: pa.Schema,
    source: str | None,
    epoch: EpochKind,
) -> None:
    stored: set[str] = set()
    if source:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}")
        stored = {row[0] for row in described.fetchall()}
    picked = []
    for name in [*columns, "event_token"]:
        sql = name if name in stored else f"CAST(NULL AS {_sql_type(schema.field(name).type)})"
        if name in ("subject", "session", "event_token"):
            sql = _hashed(sql)
        picked.append(f"{sql} AS {name}")
    week = f"DATE '{ORIGIN}' + CAST((event_date - DATE '{ORIGIN}') // 7 * 7 AS INTEGER) AS week"
    period = (
        f"DATE '{ORIGIN}' + CAST((event_date - DATE '{ORIGIN}') // {epoch.days} * {epoch.days}"
        " AS INTEGER) AS period"
    )
    rows = source or "(SELECT CAST(NULL AS DATE) AS event_date LIMIT 0)"
    connection.execute(
        f"CREATE TEMP TABLE {event} AS"
        f" SELECT event_date, {week}, {period}, {', '.join(picked)} FROM {rows}"
    )


def _hashed(sql: str) -> str:
    return f"CASE WHEN {sql} IS NOT NULL THEN CAST(hash({sql}) >> 1 AS BIGINT) END"


def _deduplicate(connection: duckdb.DuckDBPyConnection, event: str) -> dict[tuple[str, date], int]:
    """Leave one of the copies of an event; sealed days have no tokens and no copies."""
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


def _arrow(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    table: pa.Table = connection.sql(sql).to_arrow_table()
    return table
