"""A lake to read: its tables as pyarrow datasets, DuckDB with a view for each, and the schemas.

Readers see what `telemetry sql` shows: a snapshot, days younger than 89 days, the columns of the
newest schemas. Restricted rows are not among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as pads

from pipeline.api.clock import Clock, utc_now
from pipeline.cli.declared import load_settings
from pipeline.cli.wiring import opening
from pipeline.errors import UsageError
from pipeline.events.schema import EventSchema
from pipeline.io.closing import Closing
from pipeline.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from pipeline.io.lake.lake import Lake


def schemas(settings: Settings | None = None) -> Mapping[str, pa.Schema]:
    """Return the stored columns of every event, by its name, in their order.

    Each field's metadata says its `comment`, `unit`, `sensitivity`, `since` (schema version) and,
    for text, `values`: the closed list or shape that every value is of. Without `settings` they
    are read as a command reads them. Raises SettingsError or SchemaError.

    >>> schemas()["session"].field("country").metadata[b"values"]
    b'country'
    """
    settings = load_settings() if settings is None else settings
    return {event: found[-1].stored for event, found in opening.open_schemas(settings).items()}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A snapshot that is being read: the places of its files, and DuckDB with its views."""

    files: set[str]
    database: duckdb.DuckDBPyConnection


class LakeReader(Closing):
    """Reads a lake; made by `open_lake`, and closed by its `with`. For one thread."""

    __slots__ = ("_lake", "_now", "_schemas", "_shown")

    def __init__(
        self,
        lake: Lake,
        schemas: Mapping[str, tuple[EventSchema, ...]],
        now: Clock,
    ) -> None:
        """Not for callers: the parameters are not part of the contract."""
        self._lake, self._schemas, self._now = lake, schemas, now
        self._shown: _Shown | None = None

    def __repr__(self) -> str:
        return f"LakeReader({self._lake.root!r})"

    def close(self) -> None:
        """Close what `connection` opened; calling it again is fine."""
        if self._shown is not None:
            self._shown.database.close()
            self._shown = None

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of all tables: the events of the schemas, and `rejections`."""
        from pipeline.ops.views import REJECTIONS

        return (*self._schemas, REJECTIONS)

    def dataset(self, table: str) -> pads.Dataset:
        """Return a table as it is now, as a dataset of pyarrow; empty if nothing was stored yet.

        Columns as in `schemas`; one that an older file lacks is null. Encrypted files are
        opened with the keys of the settings. Raises UsageError for an unknown table, LakeError,
        or KeyUnavailable.
        """
        from pipeline.ops.views import REJECTIONS, visible

        if table not in self.tables:
            raise UsageError(
                "There is no such table", remedy=f"Use one of {', '.join(sorted(self.tables))}"
            )
        if table == REJECTIONS:
            refused = self._lake.rejections()
            kept = refused.snapshot().files
            return refused.storage.dataset(
                [file.path for file in kept], refused.log.schema, refused.log.partition
            )
        stored = self._lake.events(table, self._schemas[table][-1].stored)
        files = visible(stored.snapshot().files, self._now().date())
        return stored.storage.dataset(
            [file.path for file in files], stored.log.schema, stored.log.partition
        )

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return DuckDB with a view for each table, of the snapshot at the first call.

        It opens no file but the lake's, and no network. Reopen the lake for a newer snapshot;
        one whose files a job has removed is replaced at the next call. Raises LakeError or
        KeyUnavailable.
        """
        return self._there().database

    def sql(self, query: str) -> pa.Table:
        """Return the result of one reading statement, on the snapshot of `connection`.

        Raises UsageError if it cannot be run.
        """
        from pipeline.ops.rewrite import on_snapshot
        from pipeline.ops.views import reading

        def ask(shown: _Shown) -> pa.Table:
            with reading(shown.database, query):
                return shown.database.sql(query).to_arrow_table()

        return on_snapshot(self._there, lambda shown: shown.files, ask)

    def _there(self) -> _Shown:
        """The snapshot that was shown last, or the newest if a file of that one has gone."""
        from pipeline.ops.views import files_of, lake_views, open_views

        views = lake_views(self._lake, self._schemas, self._now().date())
        files = files_of(views)
        if self._shown is None or not self._shown.files <= files:
            self._shown = _Shown(files, open_views(views))
        return self._shown


def open_lake(settings: Settings | None = None, *, now: Clock | None = None) -> LakeReader:
    """Open the lake that the settings name, to read it; nothing in it is changed.

    Without `settings` they are read as a command reads them. `now`, in UTC, decides which days
    are old enough to be hidden. Raises SettingsError, or EnvironmentProblem if there is no lake.

    >>> open_lake(load_settings(flags={"lake.path": "/nowhere"}, environ={}))
    Traceback (most recent call last):
    ...
    pipeline.errors.EnvironmentProblem: there is no lake here at /nowhere. ...
    """
    settings = load_settings() if settings is None else settings
    clock = now or utc_now
    lake = opening.open_lake(settings, clock, repairs=False)
    opening.require_lake(lake)
    return LakeReader(lake, opening.open_schemas(settings), clock)
