"""How a table of the lake begins and grows: its first entry, its properties, its columns.

Safe when several processes do so at once: one succeeds, the others find it done. What a failed
call means is asked of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError

from pipeline.errors import LakeError
from pipeline.io.delta.commit import NO_HOOKS, Target
from pipeline.io.delta.errors import STORAGE_FAULTS, lake_faults, lake_problem
from pipeline.io.delta.log_files import LOG_FOLDER
from pipeline.io.disk.locks import close_to_others, make_shared_folder

CHECKPOINT_EVERY = 50
PROPERTIES: Mapping[str, str | None] = {
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.logRetentionDuration": "interval 2 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
}
"""No column statistics in the log. A commit lists the log folder, 4 us a file, so the log stays
short: two days, so a daily job can read the whole account of the day before. A vacuum tries every
tombstone again, so they stay one day; what it misses then is an orphan."""

Look = Callable[[], DeltaTable | None]
"""Loads the table as its log stands now."""

Paths = Callable[[], Iterable[str]]
"""Lists the files of the table's folder, by their paths in it."""


def create(target: Target, name: str, look: Look, paths: Paths) -> DeltaTable:
    """Create the table, or return the one that somebody else has just created."""
    refuse_without_log(target.uri, paths)
    if target.local:
        with lake_faults("The lake's folder could not be made", target.uri):
            make_shared_folder(Path(target.uri))
    try:
        table = DeltaTable.create(
            target.uri,
            target.schema,
            mode="error",
            partition_by=[target.partition],
            name=name,
            configuration=PROPERTIES,
            storage_options=dict(target.options),
            commit_properties=CommitProperties(max_commit_retries=0),  # one creation
        )
        if target.local:
            close_to_others(Path(target.uri) / LOG_FOLDER)
        return table
    except (DeltaError, OSError) as error:
        found = look()
        if found is None:
            what = "The lake's table could not be created"
            raise lake_problem(error, what, target.uri) from None
        return found


def refuse_without_log(uri: str, paths: Paths) -> None:
    """Raise LakeError if the folder of a table without a log holds Parquet files.

    Nothing said about it would be true, and a new log would turn them into rubbish.
    """
    with lake_faults("The lake's files could not be listed", uri):
        found = any(path.endswith(".parquet") for path in paths())
    if found:
        raise LakeError(
            "The lake's log is gone while its files are there",
            where=uri,
            why="the folder holds Parquet files and no _delta_log",
            remedy="Restore the log from its backup, or move the whole folder out of the lake: "
            "without it nothing can be read, erased or expired there.",
        )


def new_columns(target: Target, table: DeltaTable) -> list[Field]:
    """Return the columns that the table does not have yet."""
    known = {field.name for field in table.schema().fields}
    return [one for one in Schema.from_arrow(target.schema).fields if one.name not in known]


def add_columns(target: Target, table: DeltaTable, columns: Sequence[Field], look: Look) -> None:
    """Add columns, unless somebody does so at the same time."""
    try:
        table.alter.add_columns(list(columns), post_commithook_properties=NO_HOOKS)
    except STORAGE_FAULTS as error:
        now = look()
        known = {field.name for field in now.schema().fields} if now else set()
        if not known.issuperset(column.name for column in columns):
            what = "The lake's table could not be given its new columns"
            raise lake_problem(error, what, target.uri) from None


def refuse_changed_types(target: Target, table: DeltaTable) -> None:
    """Raise LakeError if a column has another type than its schema says."""
    known = {field.name: field.type for field in table.schema().fields}
    wanted = Schema.from_arrow(target.schema).fields
    changed = [field.name for field in wanted if known[field.name] != field.type]
    if changed:
        raise LakeError(
            "A column of the lake's table has another type than its schema says",
            where=f"{target.uri}, {', '.join(changed)}",
            remedy="Columns never change their type: run the version that wrote this lake, "
            "or use another lake.",
        )
