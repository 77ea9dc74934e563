"""Files that are written but not yet committed.

A file is staged (written, durable, hidden), then revealed and named by a commit, or discarded.
From the call that commits onwards, the files are the log's and can no longer be discarded.
Whatever a crash leaves behind is removed by `orphans`. A slice staged more than 30 minutes ago is
no longer committed, because orphans are swept after an hour: a process that was stopped in
between must not commit a file that is gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
from deltalake.transaction import AddAction

from pipeline.errors import SliceExpired
from pipeline.io.delta.errors import STORAGE_FAULTS, lake_faults, lake_problem
from pipeline.io.lake.storage import Storage
from pipeline.io.parquet.encoding import ROWS_PER_GROUP, PartKind, part_writer

ABANDON_AFTER_SECONDS = 30 * 60.0


@dataclass(frozen=True, slots=True)
class MachineClock:
    """The machine's two clocks: one can be set, the other does not run while it sleeps."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A durable file that no commit names yet."""

    path: str
    hidden: str
    day: date
    rows: int
    size: int


@dataclass(slots=True)
class Staging:
    """The files of one commit to be, in one table; used by one thread, once."""

    storage: Storage
    table: str
    partition: str
    """Name of the partition column, a date."""
    writer: str
    clock: MachineClock = field(default_factory=MachineClock)
    files: list[StagedFile] = field(default_factory=list)
    written: float | None = None
    """When the rows were first written, if not now: for files that take the place of others."""
    _wall: float = 0.0
    _monotonic: float = 0.0
    _revealed: bool = False
    _with_log: bool = False
    """Whether a commit that may have been made names the files: only the log may judge them."""

    def __post_init__(self) -> None:
        self._wall, self._monotonic = self.clock.wall(), self.clock.monotonic()

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the files if the block has failed."""
        if kind is not None:
            self.discard()

    def write(self, day: date, rows: pa.RecordBatch | pa.Table) -> None:
        """Write one file of rows (without the partition column) for one day.

        Raises LakeError or EnvironmentProblem after removing every file staged so far.
        """
        with self.open(day, rows.schema) as part:
            part.write(rows)

    def open(self, day: date, schema: pa.Schema, kind: PartKind = PartKind.STREAM) -> StagedWriter:
        """Open a file that is written in several pieces, for rewrites of whole days."""
        return StagedWriter(self, day, schema, kind)

    def check_age(self) -> None:
        """Raise SliceExpired if the files may have been swept since they were staged.

        The larger of the two clocks' differences counts: a suspended machine stops one of them,
        a corrected clock turns the other back.
        """
        age = max(self.clock.wall() - self._wall, self.clock.monotonic() - self._monotonic)
        if age > ABANDON_AFTER_SECONDS:
            raise SliceExpired(
                "A slice waited too long between being written and being committed",
                where=self.table,
                why=f"it was staged {age:.0f} s ago and the limit is {ABANDON_AFTER_SECONDS:.0f} s",
                remedy="It was thrown away and is read again; nothing is lost.",
            )

    def reveal(self) -> None:
        """Give the files their final names, immediately before the commit that names them.

        Raises LakeError or EnvironmentProblem.
        """
        if not self._revealed:
            with lake_faults("The lake's files could not be given their names", self.table):
                self.storage.reveal([(file.hidden, file.path) for file in self.files])
            self._revealed = True

    def hand_over(self) -> None:
        """Leave the files to the log, immediately before the call that commits them."""
        self._with_log = True

    def take_back(self) -> None:
        """Own the files again: the log was asked, and the commit cannot have been made."""
        self._with_log = False

    def discard(self) -> None:
        """Remove the files, under whichever name they have; what cannot be removed is an orphan.

        Files that were handed over to the log are left alone.
        """
        if self._with_log:
            return
        for file in self.files:
            for path in {file.hidden, file.path}:
                try:
                    self.storage.delete(path)
                except STORAGE_FAULTS:
                    continue

    def actions(self) -> list[AddAction]:
        """Return what the commit says about the files."""
        at = self.clock.wall() if self.written is None else self.written
        return [add_action(file, self.partition, at) for file in self.files]


def add_action(file: StagedFile, partition: str, now: float) -> AddAction:
    """Return what a commit says about a file: a row count, and no minimum or maximum."""
    return AddAction(
        file.path,
        file.size,
        {partition: file.day.isoformat()},
        round(now * 1000),
        True,
        f'{{"numRecords":{file.rows}}}',
    )


class StagedWriter:
    """Writes one staged file; as a context manager it settles the file or removes everything."""

    def __init__(self, staging: Staging, day: date, schema: pa.Schema, kind: PartKind) -> None:
        self._staging, self._day, self._kind = staging, day, kind
        self._label = staging.storage.encryption.label(day)
        suffix = ".parquet" if self._label is None else f".{self._label}.parquet"
        name = f"{kind.value}-{staging.writer}-{secrets.token_hex(16)}{suffix}"
        self._path = f"{staging.partition}={day.isoformat()}/{name}"
        self._hidden = staging.storage.hidden(self._path)
        self._schema = schema
        self._rows = 0
        self._closing = ExitStack()

    def __enter__(self) -> StagedWriter:
        encryption = self._staging.storage.encryption.closing(self._label)
        try:
            self._file = self._staging.storage.create(self._hidden)
            self._closing.callback(self._file.close)
            self._parquet = part_writer(self._file, self._schema, self._kind, encryption)
            self._closing.callback(self._parquet.close)
        except STORAGE_FAULTS as error:
            self._give_up()
            raise self._problem(error) from None
        return self

    @property
    def size(self) -> int:
        """Bytes that have reached the file so far; what is buffered is not counted."""
        size: int = self._file.tell()
        return size

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows of the file's schema."""
        try:
            table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
            self._parquet.write_table(table, row_group_size=ROWS_PER_GROUP)
            self._rows += rows.num_rows
        except STORAGE_FAULTS as error:
            raise self._problem(error) from None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._give_up()
            return
        storage = self._staging.storage
        try:
            self._parquet.close()
            storage.settle(self._file)
            size = storage.size(self._hidden)
        except STORAGE_FAULTS as error:
            self._give_up()
            raise self._problem(error) from None
        staged = StagedFile(self._path, self._hidden, self._day, self._rows, size)
        self._staging.files.append(staged)

    def _give_up(self) -> None:
        # Closing writes what is left, which may fail as the writing did.
        with suppress(*STORAGE_FAULTS):
            self._closing.close()
        self._staging.files.append(StagedFile(self._path, self._hidden, self._day, 0, 0))
        self._staging.discard()
        self._staging.files.clear()

    def _problem(self, error: BaseException) -> Exception:
        return lake_problem(error, "The lake could not be written", self._staging.table)
