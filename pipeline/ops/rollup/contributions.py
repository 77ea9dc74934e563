"""From days in memory to the input of the gate: what each account added to each cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import LakeError
from pipeline.events.schema import SUBJECT
from pipeline.io.disk.spill import spill_folder
from pipeline.ops.rollup.load import Datasets, DayFiles, Held, load_rows
from pipeline.ops.rollup.registry import Population, Registry, Window
from pipeline.ops.rollup.sql import (
    FEW_TABLES,
    WINDOW_START,
    Pass,
    amount_names,
    contribution_sql,
    passes,
    summary_sql,
)
from pipeline.privacy.figures.tally import START
from pipeline.privacy.identity.epochs import EpochKind

T = TypeVar("T")

ROWS_MEMORY_MB = 640
"""Memory for the rows of a load, in megabytes."""
MISSING = "(not reported)"
"""The cell of events whose dimension is null."""


class Loaded:
    """Days in memory, ready to be queried; made by `load`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, registry: Registry, held: Held
    ) -> None:
        self._connection = connection
        self._registry = registry
        self.held = held
        self._prepared: set[str] = set()
        self._summaries: dict[str, pa.Table] = {}

    def contributions(self, task: Pass) -> pa.Table:
        """What each account has in each cell, as `contribution_sql` names it.

        Dimensions are dictionaries of text, never null. An account may have several rows in a cell.
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
        bucket = ["bucket"] if task.column else []
        names = [WINDOW_START[task.window], *task.by, *bucket, SUBJECT, "events"]
        names += amount_names(task)
        return summary.select(names).rename_columns([START, *names[1:]])

    def rows_by_account(self, event: str) -> pa.Table:
        """How many rows each account has on each day: event_date, subject, rows."""
        return self._connection.sql(
            f"SELECT event_date, subject, count(*) AS rows FROM {event} GROUP BY ALL"
        ).to_arrow_table()

    def each(
        self,
        tasks: Iterable[tuple[Pass, list[date]]],
        work: Callable[[Pass, list[date], pa.Table], T],
        *,
        ahead: bool = True,
    ) -> Iterator[tuple[Pass, T]]:
        """Yield each pass with the result of `work` for its windows and contributions.

        `ahead`: while one pass is worked on, the next is queried, so that two are held at once. A
        summary for several passes is held until the last of them has been queried.
        """
        due = [(task, starts) for task, starts in tasks if starts]
        asking = Counter(task.summary for task, _ in due if task.rests_on_habits)
        waiting: list[tuple[Pass, Future[T]]] = []

        def finished() -> Iterator[tuple[Pass, T]]:
            while waiting:
                done, future = waiting.pop()
                yield done, future.result()

        with ThreadPoolExecutor(1) as gate:
            for task, starts in due:
                if task.rests_on_habits and task.summary not in self._summaries:
                    # The largest query of all: nothing else is held during it.
                    yield from finished()
                contributions = self.contributions(task)
                asking[task.summary] -= task.rests_on_habits
                if not asking[task.summary]:
                    self._summaries.pop(task.summary, None)
                yield from finished()
                waiting.append((task, gate.submit(work, task, starts, contributions)))
                del contributions
                if not ahead:
                    yield from finished()
            yield from finished()

    def memberships(
        self, population: str, dimensions: Sequence[str]
    ) -> Iterator[tuple[object, str, str]]:
        """Yield once which account is in which cell: (account, dimension, value)."""
        self._prepare(self._registry.populations[population])
        for name in dimensions:
            found = self._connection.execute(
                f"SELECT DISTINCT subject, {name} FROM {population}"
                f" WHERE subject IS NOT NULL AND {name} IS NOT NULL"
            )
            yield from ((account, name, value) for account, value in found.fetchall())

    def _prepare(self, population: Population) -> None:
        """Create the population's view, after those of the populations that it names."""
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


def labelled(column: pa.Array) -> pa.DictionaryArray:
    """Encode a dimension as a dictionary of text; null gets a cell of its own."""
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
    memory_mb: int = ROWS_MEMORY_MB,
    datasets: Datasets | None = None,
    spill: Path | None = None,
) -> Iterator[Loaded]:
    """Load the files of these days. An event of `schemas` without files is an empty view.

    `schemas` holds the stored schemas of the events in the lake. What does not fit in memory goes
    to the folder `spill`; without one the load fails. Raises LakeError.
    """
    with (
        spill_folder(spill) as own,
        duckdb.connect(":memory:", config={"temp_directory": str(own or "")}) as connection,
    ):
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
