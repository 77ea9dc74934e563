"""From days in memory to what the gate is given: what each account added to each cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import LakeError
from pipeline.ops.rollup_registry import Population, Registry, Window
from pipeline.ops.rollup_rows import Datasets, DayFiles, Held, load_rows
from pipeline.ops.rollup_sql import (
    FEW_TABLES,
    WINDOW_START,
    Pass,
    amounts_sql,
    contribution_sql,
    histogram_sql,
    passes,
    summary_sql,
)
from pipeline.privacy.epochs import EpochKind
from pipeline.privacy.tally import START, SUBJECT

MISSING = "(not reported)"
"""The cell of events whose dimension is null."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one pass needs of the rows; dimensions are never null."""

    contributions: pa.Table
    """start, the dimensions (dictionaries of text), subject, events; what an account has in a
    cell may be in several rows."""
    amounts: pa.Table | None
    """start, the dimensions, `<metric>` and `<metric>/of`: one row for each cell."""
    histogram: pa.Table | None
    """start, the dimensions, `bucket` (the stored value) and events, for percentiles."""


class Loaded:
    """Days in memory, ready to be asked; made by `load`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, registry: Registry, held: Held
    ) -> None:
        self._connection = connection
        self._registry = registry
        self.held = held
        self._prepared: set[str] = set()
        self._summaries: dict[str, pa.Table] = {}

    def ask(self, task: Pass) -> Answers:
        """Everything that one pass needs."""
        amounts = amounts_sql(task)
        return Answers(
            self.contributions(task),
            self._texts(amounts, task.by) if amounts else None,
            self._texts(histogram_sql(task), task.by) if task.column else None,
        )

    def contributions(self, task: Pass) -> pa.Table:
        """How many events each account has in each cell: start, dimensions, subject, events.

        An account may have several rows in a cell.
        """
        self._prepare(self._registry.populations[task.population])
        if not task.rests_on_habits:
            return self._cells(contribution_sql(task), task.by)
        kin = [
            other
            for other in passes(self._registry, tuple(Window))
            if other.summary == task.summary and other.rests_on_habits
        ]
        if len(kin) < FEW_TABLES:
            return self._cells(contribution_sql(task), task.by)
        if task.summary not in self._summaries:
            habits = {name for other in kin for name in other.by}
            self._summaries[task.summary] = self._cells(summary_sql(kin), (*habits, SUBJECT))
        summary = self._summaries[task.summary]
        names = [WINDOW_START[task.window], *task.by, SUBJECT, "events"]
        return summary.select(names).rename_columns([START, *names[1:]])

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

    def _cells(self, sql: str, encode: Iterable[str]) -> pa.Table:
        table: pa.Table = self._connection.sql(sql).to_arrow_table()
        for name in encode:
            at = table.column_names.index(name)
            whole = table[name].combine_chunks()
            column = pc.dictionary_encode(whole) if name == SUBJECT else labelled(whole)
            table = table.set_column(at, name, column)
        return table

    def _texts(self, sql: str, by: Sequence[str]) -> pa.Table:
        table = self._cells(sql, by)
        for name in by:
            at = table.column_names.index(name)
            table = table.set_column(at, name, pc.cast(table[name], pa.string()))
        return table


def labelled(column: pa.Array) -> pa.DictionaryArray:
    """Encode a dimension as a dictionary of text; what is null gets a cell of its own."""
    if not pa.types.is_dictionary(column.type):
        column = pc.cast(column, pa.string())
    encoded = pc.dictionary_encode(column)
    if not encoded.null_count:
        return encoded
    names = encoded.dictionary.cast(pa.string())
    at = pc.index(names, MISSING).as_py()
    if at < 0:
        at, names = len(names), pa.concat_arrays([names, pa.array([MISSING])])
    codes = pc.fill_null(pc.cast(encoded.indices, pa.int32()), pa.scalar(at, pa.int32()))
    return pa.DictionaryArray.from_arrays(codes, names)


@contextmanager
def load(
    registry: Registry,
    files: Sequence[DayFiles],
    schemas: Mapping[str, pa.Schema],
    epoch: EpochKind,
    memory_mb: int = 640,
    datasets: Datasets | None = None,
    spill: Path | None = None,
) -> Iterator[Loaded]:
    """Load the files of those days. An event of `schemas` without files is an empty view.

    `schemas` are the stored schemas of the events in the lake. What does not fit into memory goes
    to the folder `spill`; without one it fails. Raises LakeError.
    """
    with duckdb.connect(":memory:", config={"temp_directory": str(spill or "")}) as connection:
        connection.execute(f"SET memory_limit='{memory_mb}MB'")
        connection.execute("SET preserve_insertion_order=false")
        connection.execute("SET enable_progress_bar=false")
        try:
            held = load_rows(connection, registry, files, schemas, epoch, datasets)
            yield Loaded(connection, registry, held)
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
