"""Iceberg tables over files of the lake: an SQL catalog and metadata in one folder.

    <folder>/catalog.db                        which tables there are (SQLite)
    <folder>/telemetry/<event>/metadata/...    one snapshot of each: names of files, row counts

No data is copied, and none is in the metadata: no column has bounds or counts there. The partition
column is not in the files, and these have no field ids: a name mapping and the partition's value
stand in for both. There is always one snapshot; what earlier ones consisted of is deleted, so that
no file that the lake has given up can be reached by time travel.

The library is the extra `iceberg`, imported where a catalog is opened.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from pipeline.errors import EnvironmentProblem, LakeError
from pipeline.io.lake.snapshot import PartFile

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

NAMESPACE: Final = "telemetry"
DATABASE: Final = "catalog.db"
_EPOCH: Final = date(1970, 1, 1)
_FIRST_FIELD: Final = 1000
_PROPERTIES: Final = {
    "write.metadata.metrics.default": "none",
    "write.metadata.previous-versions-max": "1",
}


class Registered(NamedTuple):
    """What a table names after a synchronization, and what that changed."""

    event: str
    files: int
    rows: int
    added: int
    removed: int


class IcebergCatalog:
    """The tables in one folder; one process at a time changes them."""

    def __init__(self, folder: Path) -> None:
        """Open the catalog, created at first use. Raises EnvironmentProblem."""
        try:
            sql = import_module("pyiceberg.catalog.sql")
        except ImportError:
            raise EnvironmentProblem(
                "Tables of Iceberg need its library",
                where="iceberg.folder",
                remedy="Install the extra: pip install 'telemetry-pipeline[iceberg]'",
            ) from None
        self._folder = folder.absolute()
        with self._faults("opened"):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._catalog: SqlCatalog = sql.SqlCatalog(
                NAMESPACE,
                uri=f"sqlite:///{self._folder / DATABASE}",
                warehouse=self._folder.as_uri(),
            )
            self._catalog.create_namespace_if_not_exists(NAMESPACE)

    def __repr__(self) -> str:
        return f"IcebergCatalog({str(self._folder)!r})"

    def close(self) -> None:
        """Close the database."""
        self._catalog.close()

    def events(self) -> tuple[str, ...]:
        """Name the events that have a table, in alphabetical order."""
        with self._faults("listed"):
            return tuple(sorted(name for _, name in self._catalog.list_tables(NAMESPACE)))

    def register(self, event: str, schema: pa.Schema, files: Sequence[PartFile]) -> Registered:
        """Make the event's table name exactly these files; `schema` has event_date first.

        Raises LakeError; the table is then as it was, or as it is to be.
        """
        with self._faults("changed"):
            table = self._table(event, schema)
            named = {task.file.file_path: task.file for task in table.scan().plan_files()}
            wanted = {file.uri: file for file in files}
            gone = [named[path] for path in named.keys() - wanted.keys()]
            new = [wanted[path] for path in sorted(wanted.keys() - named.keys())]
            if gone or new:
                with table.transaction() as change, change.update_snapshot().overwrite() as made:
                    for old in gone:
                        made.delete_data_file(old)
                    for file in new:
                        made.append_data_file(_described(file, table))
            self._forget(event)
        rows = sum(file.rows for file in files)
        return Registered(event, len(files), rows, len(new), len(gone))

    def drop(self, event: str) -> None:
        """Remove an event's table, with its metadata. Raises LakeError."""
        with self._faults("changed"):
            metadata = self._metadata(self._load(event))
            self._catalog.drop_table((NAMESPACE, event))
            for path in metadata.iterdir():
                path.unlink()

    def _load(self, event: str) -> Table:
        return self._catalog.load_table((NAMESPACE, event))

    def _table(self, event: str, schema: pa.Schema) -> Table:
        """Return the table with every column that the lake's has."""
        from pyiceberg.io.pyarrow import pyarrow_to_schema
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.table.name_mapping import create_mapping_from_schema
        from pyiceberg.transforms import IdentityTransform

        ids = itertools.count(1)
        numbered = pa.schema(_numbered(field, ids) for field in schema)
        if (NAMESPACE, event) not in self._catalog.list_tables(NAMESPACE):
            columns = pyarrow_to_schema(numbered)
            names = create_mapping_from_schema(columns).model_dump_json()
            day = PartitionField(1, _FIRST_FIELD, IdentityTransform(), schema.names[0])
            self._catalog.create_table(
                (NAMESPACE, event),
                columns,
                partition_spec=PartitionSpec(day),
                properties={**_PROPERTIES, "schema.name-mapping.default": names},
            )
        table = self._load(event)
        known = {column.name for column in table.schema().fields}
        new = [column for column in pyarrow_to_schema(numbered).fields if column.name not in known]
        if new:
            with table.update_schema() as change:  # which also extends the name mapping
                for column in new:
                    change.add_column(column.name, column.field_type)
        return self._load(event)

    def _forget(self, event: str) -> None:
        """Keep one snapshot, and of the metadata only what it consists of."""
        table = self._load(event)
        now = table.current_snapshot()
        old = [one.snapshot_id for one in table.snapshots() if now != one]
        if old:
            table.maintenance.expire_snapshots().by_ids(old).commit()
            table = self._load(event)
        kept = {table.metadata_location}
        if now is not None:
            kept |= {now.manifest_list, *(one.manifest_path for one in now.manifests(table.io))}
        names = {location.rpartition("/")[2] for location in kept}
        for path in self._metadata(table).iterdir():
            if path.name not in names:
                path.unlink()

    def _metadata(self, table: Table) -> Path:
        """The folder of a table's metadata: always the one that this catalog gives."""
        return self._folder / NAMESPACE / table.name()[-1] / "metadata"

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        from pyiceberg.exceptions import CommitFailedException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (OSError, SQLAlchemyError, CommitFailedException) as error:
            raise LakeError(
                f"The catalog of Iceberg could not be {what}",
                where=str(self._folder),
                why=f"of a {type(error).__name__}",
                remedy="Check the folder, then run again: what is missing is made up for. If it is "
                "damaged, remove it: everything in it is made of the lake.",
            ) from None


def _numbered(field: pa.Field, ids: Iterator[int]) -> pa.Field:
    """Return a field as Iceberg wants it: with an id, and optional, as older files lack columns."""
    number, type_ = next(ids), field.type
    if pa.types.is_list(type_):
        type_ = pa.list_(_numbered(type_.value_field.with_name("element"), ids))
    return pa.field(field.name, type_, metadata={"PARQUET:field_id": str(number)})


def _described(file: PartFile, table: Table) -> DataFile:
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    told: dict[str, Any] = {
        "content": DataFileContent.DATA,
        "file_path": file.uri,
        "file_format": FileFormat.PARQUET,
        "partition": Record((file.day - _EPOCH).days),
        "record_count": file.rows,
        "file_size_in_bytes": file.size,
    }
    made = DataFile.from_args(**told)
    made.spec_id = table.metadata.default_spec_id
    return made
