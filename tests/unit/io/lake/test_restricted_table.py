"""Restricted rows of a day are one file, replaced whole, and never removed by a failure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipeline.errors import LakeError
from pipeline.io.lake import restricted_table
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.io.lake.staging import StagedFile
from tests.unit.io.lakes import DAYS, EVENT, SCHEMA, batch, files_of, table_of

ATTEMPTS = 3
STORED = pa.schema([field for field in SCHEMA if field.name != "event_date"])


@pytest.fixture
def table(lake: Lake) -> RestrictedTable:
    table_of(lake).commit(batch(0, 4))
    return lake.restricted(EVENT)


def decided(table: RestrictedTable, *subjects: str) -> StagedFile:
    """A day's new file, as it is when the events' log has decided that it counts."""
    staging = table.staging()
    rows = {"event_hour": pa.array([1] * len(subjects), pa.int8()), "subject": list(subjects)}
    with staging.open(DAYS[0], STORED) as part:
        part.write(pa.table(rows, schema=STORED))
    return staging.files[0]


def subjects(table: RestrictedTable) -> list[str]:
    found: list[str] = []
    for file in table.snapshot().files:
        found += table.storage.read(file.path)["subject"].to_pylist()
    return found


def test_a_table_begins_with_its_first_staging_and_not_before(
    table: RestrictedTable, lake: Lake
) -> None:
    assert lake.restricted_events() == ()
    table.staging()
    assert lake.restricted_events() == (EVENT,)


def test_a_days_file_takes_the_place_of_the_one_before(table: RestrictedTable, root: Path) -> None:
    table.replace_day(decided(table, "a"))
    table.replace_day(decided(table, "b", "c"))
    assert subjects(table) == ["b", "c"]
    assert len([name for name in files_of(root) if name.startswith("restricted/")]) == 1


def test_a_day_without_rows_has_no_file(table: RestrictedTable, root: Path) -> None:
    table.replace_day(decided(table, "a"))
    table.replace_day(decided(table))
    assert subjects(table) == []
    assert [name for name in files_of(root) if name.startswith("restricted/")] == []


@pytest.mark.parametrize("revealed", [False, True])
def test_a_file_that_a_crash_left_is_found_and_completed(
    table: RestrictedTable, revealed: bool
) -> None:
    file = decided(table, "a", "b")
    if revealed:
        table.storage.reveal([(file.hidden, file.path)])
    (found,) = table.unnamed()
    assert table.as_staged(found) == file
    table.replace_day(table.as_staged(found))
    assert subjects(table) == ["a", "b"]
    assert table.unnamed() == ()


def test_files_that_are_not_ours_are_not_taken_for_decided_ones(
    table: RestrictedTable, root: Path
) -> None:
    table.staging()
    folder = root / "restricted" / EVENT / f"event_date={DAYS[0]}"
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    assert table.unnamed() == ()


def busy(table: RestrictedTable) -> None:
    table.log.commit(table.log.ensure(), [], {"other": table.log.version_of("other") or 0}, {})


@pytest.mark.parametrize("rivals", [1, ATTEMPTS])
def test_a_decided_file_outlasts_every_refusal(
    table: RestrictedTable, monkeypatch: pytest.MonkeyPatch, rivals: int
) -> None:
    monkeypatch.setattr(restricted_table, "ATTEMPTS", ATTEMPTS)
    file = decided(table, "a")
    real: Callable[..., None] = DeltaTable.create_write_transaction
    left = [rivals]

    def outrun(self: DeltaTable, *args: object, **options: object) -> None:
        if left[0]:
            left[0] -= 1
            with monkeypatch.context() as patch:
                patch.setattr(DeltaTable, "create_write_transaction", real)
                busy(table)
        real(self, *args, **options)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", outrun)
    if rivals < ATTEMPTS:
        table.replace_day(file)
    else:
        with pytest.raises(LakeError, match="faster every time"):
            table.replace_day(file)
        assert [found.path for found in table.unnamed()] == [file.path]
        table.replace_day(file)
    assert subjects(table) == ["a"]


def test_a_decided_file_that_is_gone_is_told(table: RestrictedTable) -> None:
    file = decided(table, "a")
    table.storage.delete(file.hidden)
    with pytest.raises(LakeError, match="could not be revealed"):
        table.replace_day(file)
