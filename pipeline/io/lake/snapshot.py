"""What a table holds at one version of its log: the files, where they belong, how many rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from deltalake import DeltaTable

from pipeline.io.parquet.encoding import PartKind, kind_of
from pipeline.io.parquet.encryption import label_of


@dataclass(frozen=True, slots=True)
class PartFile:
    """A Parquet file that a commit names."""

    path: str
    """Relative to the table: `event_date=2026-11-01/part-....parquet`."""
    uri: str
    """What a reader opens: an absolute path, or an address in the object store."""
    day: date
    rows: int
    size: int
    added_ms: int
    """When the file was written, in milliseconds since 1970."""

    @property
    def kind(self) -> PartKind:
        """Whether the stream wrote the file, or a seal."""
        return kind_of(self.path)

    @property
    def label(self) -> str | None:
        """The epoch whose data key the file is encrypted with; None for a plain file."""
        return label_of(self.path)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files of a table at one version, ordered by day and path."""

    version: int
    files: tuple[PartFile, ...]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes in all files."""
        return sum(file.size for file in self.files)

    def by_day(self) -> Mapping[date, tuple[PartFile, ...]]:
        """Return the files of each day, oldest day first."""
        days: dict[date, list[PartFile]] = {}
        for file in self.files:
            days.setdefault(file.day, []).append(file)
        return {day: tuple(files) for day, files in days.items()}


EMPTY = Snapshot(-1, ())
"""A table that was not created yet."""


def take_snapshot(table: DeltaTable, root: str, partition: str) -> Snapshot:
    """Return the files that the loaded version of `table` names."""
    actions = pa.table(table.get_add_actions(flatten=True))
    files = [
        PartFile(path, f"{root}/{path}", day, rows, size, added)
        for path, day, rows, size, added in zip(
            actions["path"].to_pylist(),
            actions[f"partition.{partition}"].to_pylist(),
            actions["num_records"].to_pylist(),
            actions["size_bytes"].to_pylist(),
            actions["modification_time"].to_pylist(),
            strict=True,
        )
    ]
    files.sort(key=lambda file: (file.day, file.path))
    return Snapshot(table.version(), tuple(files))
