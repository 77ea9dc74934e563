"""Sealing makes one sorted file of a day without duplicates, again when more arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import LakeError
from pipeline.events.model import CleanBatch, Span
from pipeline.io.disk.spilled_rows import SpilledRows
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encoding import PartKind
from pipeline.ops.retention.portions import read_rows
from pipeline.ops.retention.seal import Sealed, Sealer
from tests.unit.io.lakes import meddled

DAY = date(2026, 11, 20)
CLOSED = datetime(2026, 11, 21, 2, tzinfo=UTC)
SETTLED = CLOSED + timedelta(days=7)
STORED = pa.schema(
    [
        pa.field("event_date", pa.date32(), nullable=False),
        pa.field("event_hour", pa.int8(), nullable=False),
        pa.field("event_token", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("route", pa.string(), metadata={"values": "routes"}),
    ]
)
ROUTES = ("/v1/z", "/v1/a", "/v1/m")


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    return Lake(str(tmp_path / "lake"), state=tmp_path / "state").events("api_request", STORED)


def store(
    table: EventTable,
    tokens: Sequence[int | None],
    topic: str = "t",
    day: date | Sequence[date] = DAY,
) -> None:
    """Commit one row for each token; the row's other columns depend on the token alone."""
    days = [day] * len(tokens) if isinstance(day, date) else list(day)
    start = table.position(f"kafka/{topic}/0") or 0
    numbers = [token if token is not None else index for index, token in enumerate(tokens)]
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array(days, pa.date32()),
            pa.array([number % 24 for number in numbers], pa.int8()),
            pa.array([None if t is None else f"{t:032x}" for t in tokens], pa.string()),
            pa.array([f"{number % 7:032x}" for number in numbers], pa.string()),
            pa.array([ROUTES[number % 3] for number in numbers], pa.string()),
        ],
        schema=STORED,
    )
    span = Span("kafka", topic, 0, start, start + len(tokens))
    table.commit(CleanBatch(span, "api_request", len(tokens), rows))


def seal(table: EventTable, now: datetime, sealer: Sealer | None = None) -> list[Sealed]:
    return list((sealer or Sealer()).seal("api_request", table, now))


def rows_of(table: EventTable) -> list[tuple[object, ...]]:
    """All rows as a reader sees them that globs, in file and row order."""
    pattern = f"{table.log.uri}/event_date=*/*.parquet"
    query = "SELECT event_token, subject, route, event_hour FROM read_parquet(?)"
    return duckdb.execute(query, [pattern]).fetchall()


def tokens_of(table: EventTable) -> list[str]:
    return sorted(str(row[0]) for row in rows_of(table))


def test_an_open_day_is_left_alone(table: EventTable) -> None:
    store(table, [1, 2])
    before = table.snapshot()
    assert seal(table, CLOSED - timedelta(seconds=1)) == []
    assert table.snapshot() == before


def test_a_closed_day_becomes_one_sorted_file_without_duplicates(table: EventTable) -> None:
    store(table, [1, 2, 3, 2])
    store(table, [3, 4, None, None])
    sealer = Sealer(sorted_by={"api_request": ("route", "event_hour")})
    assert seal(table, CLOSED, sealer) == [
        Sealed("api_request", DAY, PartKind.SEALED, 2, 1, rows=6, duplicates=2)
    ]
    rows = rows_of(table)
    tokens = [row[0] for row in rows if row[0]]
    assert sorted(map(str, tokens)) == [f"{token:032x}" for token in (1, 2, 3, 4)]
    assert [(row[2], row[3]) for row in rows] == sorted((row[2], row[3]) for row in rows)
    (file,) = table.snapshot().files
    assert file.kind is PartKind.SEALED
    assert [path.name for path in Path(table.log.uri).glob("event_date=*/*")] == [
        Path(file.path).name
    ]


def test_rows_that_sort_alike_do_not_keep_the_order_in_which_they_arrived(
    table: EventTable,
) -> None:
    # One route and one hour: nothing but the tie is left, over two files.
    store(table, list(range(0, 72 * 200, 72)))
    store(table, list(range(72 * 200, 72 * 400, 72)))
    seal(table, CLOSED, Sealer(sorted_by={"api_request": ("route", "event_hour")}))
    arrived = [int(str(row[0]), 16) for row in rows_of(table)]
    rises = sum(a < b for a, b in pairwise(arrived))
    assert len(arrived) == 400
    assert 150 < rises < 250


def test_sealing_again_changes_nothing(table: EventTable) -> None:
    store(table, [1, 2, 2])
    seal(table, CLOSED)
    before = table.snapshot()
    assert seal(table, CLOSED) == []
    assert table.snapshot() == before


def test_a_late_event_makes_the_day_due_again_and_its_duplicate_is_found(table: EventTable) -> None:
    store(table, [1, 2])
    seal(table, CLOSED)
    store(table, [2, 3])
    (again,) = seal(table, CLOSED)
    assert (again.files_before, again.rows, again.duplicates) == (2, 3, 1)


def test_a_few_late_rows_are_sealed_on_their_own_without_copies_of_stored_ones(
    table: EventTable,
) -> None:
    store(table, list(range(1, 101)))
    seal(table, CLOSED)
    (sealed,) = table.snapshot().files
    store(table, [7, 101, 102, 102, None])
    assert seal(table, CLOSED) == [
        Sealed("api_request", DAY, PartKind.SEALED, 1, 1, rows=3, duplicates=2)
    ]
    files = table.snapshot().files
    assert sealed in files
    assert sorted((file.rows, file.kind) for file in files) == [
        (3, PartKind.SEALED),
        (100, PartKind.SEALED),
    ]
    assert tokens_of(table) == sorted([*(f"{token:032x}" for token in range(1, 103)), "None"])


def test_late_copies_leave_no_file(table: EventTable) -> None:
    store(table, list(range(1, 101)))
    seal(table, CLOSED)
    before = table.snapshot().files
    store(table, [7, 8, 8])
    (done,) = seal(table, CLOSED)
    assert (done.files_before, done.files_after, done.rows, done.duplicates) == (1, 0, 0, 3)
    assert table.snapshot().files == before


def test_the_small_files_of_late_rows_stay_few(table: EventTable) -> None:
    store(table, list(range(2_000)))
    seal(table, CLOSED)
    (large,) = table.snapshot().files
    for number in range(30):
        store(table, [2_000 + number])
        seal(table, CLOSED)
    files = table.snapshot().files
    assert large in files
    assert len(files) <= 5
    assert table.snapshot().rows == 2_030


def test_the_final_seal_joins_late_rows_with_their_day(table: EventTable) -> None:
    store(table, list(range(100)))
    seal(table, CLOSED)
    store(table, [100, 5])
    seal(table, CLOSED)
    store(table, [101, 6])
    (done,) = seal(table, SETTLED)
    assert (done.files_before, done.files_after, done.rows, done.duplicates) == (3, 1, 102, 1)
    assert tokens_of(table) == ["None"] * 102


def test_a_few_rows_of_a_backfill_do_not_rewrite_a_final_day(table: EventTable) -> None:
    store(table, list(range(100)))
    seal(table, SETTLED)
    (final,) = table.snapshot().files
    store(table, [200, 201, 201])
    (done,) = seal(table, SETTLED)
    assert (done.kind, done.files_before, done.rows, done.duplicates) == (PartKind.FINAL, 1, 2, 1)
    assert final in table.snapshot().files
    assert tokens_of(table) == ["None"] * 102


def test_a_day_larger_than_memory_is_sealed_in_portions_and_is_the_same(
    table: EventTable, tmp_path: Path
) -> None:
    store(table, [*range(4_000), *range(0, 4_000, 9), *[None] * 100])
    store(table, [*range(3_500, 6_000), *range(0, 6_000, 11)])
    before = sorted(set(map(repr, rows_of(table))))
    order = {"api_request": ("route", "event_hour")}
    spill = tmp_path / "spill"
    sealer = Sealer(sorted_by=order, portion_bytes=100_000, spill=spill)
    (done,) = seal(table, CLOSED, sealer)
    assert done.rows == 6_100
    assert done.files_after > 3
    assert tokens_of(table) == sorted(
        [*(f"{token:032x}" for token in range(6_000)), *["None"] * 100]
    )
    assert sorted(set(map(repr, rows_of(table)))) == before
    for file in table.snapshot().files:
        rows = pq.read_table(file.uri, columns=["route", "event_hour"], partitioning=None)
        keys = list(zip(*rows.to_pydict().values(), strict=True))
        assert keys == sorted(keys)
        assert 0 < len(keys) < 2 * done.rows / done.files_after
    assert list(spill.iterdir()) == []


def test_a_seal_that_dies_between_two_portions_leaves_the_day_as_it_was(
    table: EventTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(table, list(range(4_000)))
    before = table.snapshot()
    take = SpilledRows.take

    def full(self: SpilledRows, portion: int) -> list[pa.RecordBatch]:
        if portion == 2:
            raise KeyboardInterrupt
        return take(self, portion)

    monkeypatch.setattr(SpilledRows, "take", full)
    with pytest.raises(KeyboardInterrupt):
        seal(table, CLOSED, Sealer(portion_bytes=50_000, spill=tmp_path / "spill"))
    assert table.snapshot() == before
    assert [path.name for path in Path(table.log.uri).glob("event_date=*/*")] == [
        Path(before.files[0].path).name
    ]
    assert list((tmp_path / "spill").iterdir()) == []


def test_the_final_seal_drops_the_event_tokens_and_keeps_the_column(table: EventTable) -> None:
    store(table, [1, 2, 2])
    (done,) = seal(table, SETTLED)
    assert (done.kind, done.rows) == (PartKind.FINAL, 2)
    assert [row[0] for row in rows_of(table)] == [None, None]
    (file,) = table.snapshot().files
    assert pq.read_schema(file.uri).names == [name for name in STORED.names if name != "event_date"]


def test_what_a_backfill_brings_after_the_final_seal_loses_no_row(table: EventTable) -> None:
    store(table, [1, 2])
    seal(table, SETTLED)
    store(table, [3, 3, 4])
    (done,) = seal(table, SETTLED)
    assert (done.files_before, done.rows, done.duplicates) == (2, 4, 1)
    assert seal(table, SETTLED) == []


def test_only_the_named_days_are_sealed(table: EventTable) -> None:
    store(table, [1])
    store(table, [2], day=DAY + timedelta(days=1))
    now = CLOSED + timedelta(days=2)
    sealed = Sealer().seal("api_request", table, now, [DAY])
    assert [done.day for done in sealed] == [DAY]
    assert [done.day for done in seal(table, now)] == [DAY + timedelta(days=1)]


def test_a_file_is_closed_at_its_target_size(table: EventTable) -> None:
    store(table, list(range(300_000)))
    (done,) = seal(table, CLOSED, Sealer(target_bytes=100_000))
    assert done.files_after > 1
    assert table.snapshot().rows == done.rows == 300_000


def test_the_bloom_filter_says_of_a_token_that_it_is_not_there(table: EventTable) -> None:
    store(table, [1, 2, 3])
    seal(table, CLOSED)
    (file,) = table.snapshot().files
    query = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, 'subject', ?)"
    for token, excluded in ((f"{1:032x}", False), ("f" * 32, True)):
        assert duckdb.execute(query, [file.uri, token]).fetchall() == [(excluded,)]


def test_no_statistics_tell_a_token(table: EventTable) -> None:
    store(table, [1, 2, 3])
    seal(table, CLOSED)
    (file,) = table.snapshot().files
    group = pq.ParquetFile(file.uri).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert [name for name, column in columns.items() if column.statistics is None] == [
        "event_token",
        "subject",
    ]


def test_an_append_during_a_seal_is_kept(table: EventTable) -> None:
    store(table, [1, 2])
    (done,) = list(
        Sealer().seal(
            "api_request", meddled(table, lambda: store(table, [3], topic="other")), CLOSED
        )
    )
    assert done.rows == 2
    assert table.snapshot().rows == 3


def test_two_seals_of_one_day_at_once_double_nothing(table: EventTable) -> None:
    store(table, [1, 2])
    store(table, [3])
    rival: list[Sealed] = []

    def be_faster() -> None:
        if not rival:
            rival.extend(seal(table, CLOSED))

    slow = meddled(table, be_faster)
    assert list(Sealer().seal("api_request", slow, CLOSED)) == []
    assert len(rival) == 1
    assert table.snapshot().rows == len(rows_of(table)) == 3


@pytest.mark.parametrize("moment", ["before the first row", "between two files"])
def test_a_file_that_vanishes_while_it_is_read_is_asked_for_in_the_log(
    table: EventTable, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    store(table, [1, 2])
    store(table, [3])
    waiting = [moment]

    def rival(now: str) -> None:
        if waiting == [now]:
            waiting.clear()
            seal(table, CLOSED)

    def raced(*args: Any) -> Iterator[pa.Table]:
        rival("before the first row")
        for rows in read_rows(*args):
            yield rows
            rival("between two files")

    monkeypatch.setattr("pipeline.ops.retention.seal.read_rows", raced)
    assert list(Sealer().seal("api_request", table, CLOSED)) == []
    assert table.snapshot().rows == len(rows_of(table)) == 3


@pytest.mark.parametrize("harm", ["gone", "garbage"])
def test_a_file_of_the_log_that_cannot_be_read_is_an_error_and_changes_nothing(
    table: EventTable, harm: str
) -> None:
    store(table, [1, 2])
    before = table.snapshot()
    path = Path(before.files[0].uri)
    path.unlink() if harm == "gone" else path.write_bytes(b"garbage")
    with pytest.raises(LakeError, match="could not be read"):
        seal(table, CLOSED)
    assert table.snapshot().files == before.files


def test_a_seal_makes_good_what_one_that_was_killed_has_left(table: EventTable) -> None:
    """Killed between its commit and the deletion, it leaves every row twice for who globs."""
    store(table, [1, 2])
    store(table, [3])
    (killed,) = Sealer().seal("api_request", without_vacuum(table), CLOSED)
    assert len(rows_of(table)) == 2 * killed.rows
    assert seal(table, CLOSED) == []
    assert len(rows_of(table)) == killed.rows == 3


def without_vacuum(table: EventTable) -> EventTable:
    """The table as a process has it that does not live to delete files."""

    class Killed(EventTable):
        def vacuum(self) -> tuple[str, ...]:
            return ()

    return Killed(table.log, table.storage, table.writer, table.rejections)
