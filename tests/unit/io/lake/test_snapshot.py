"""A snapshot names the files of one version by day, and stays what it is."""

from __future__ import annotations

from pathlib import Path

from pipeline.io.lake.lake import Lake
from pipeline.io.lake.snapshot import EMPTY, PartFile, take_snapshot
from pipeline.io.parquet.encoding import PartKind
from tests.unit.io.lakes import DAYS, batch, table_of


def part(name: str) -> PartFile:
    return PartFile(f"event_date={DAYS[0]}/{name}", "", DAYS[0], 1, 10, 0)


def test_files_are_those_of_the_loaded_version_in_order(lake: Lake) -> None:
    table = table_of(lake)
    for start in (0, 10):
        table.commit(batch(start, start + 10))
    loaded = table.log.load()
    table.commit(batch(20, 24))
    assert loaded is not None
    found = take_snapshot(loaded, "/lake", "event_date")
    assert (found.version, found.rows, len(found.files)) == (2, 20, 4)
    assert [file.day for file in found.files] == [DAYS[0], DAYS[0], DAYS[1], DAYS[1]]
    assert list(found.files) == sorted(found.files, key=lambda file: (file.day, file.path))
    assert {file.uri for file in found.files} == {f"/lake/{file.path}" for file in found.files}


def test_sizes_are_those_on_the_disk(lake: Lake) -> None:
    table_of(lake).commit(batch(0, 10))
    found = table_of(lake).snapshot()
    sizes = [Path(file.uri).stat().st_size for file in found.files]
    assert [file.size for file in found.files] == sizes
    assert found.size == sum(sizes)


def test_days_share_the_files_among_them_oldest_first(lake: Lake) -> None:
    for start in (0, 10):
        table_of(lake).commit(batch(start, start + 10))
    found = table_of(lake).snapshot()
    days = found.by_day()
    assert list(days) == list(DAYS)
    assert [file for files in days.values() for file in files] == list(found.files)


def test_a_files_name_says_how_it_came_to_be_and_with_which_key() -> None:
    plain = part("final-0123456789ab-0.parquet")
    assert (plain.kind, plain.label) == (PartKind.FINAL, None)
    encrypted = part(f"part-0123456789ab-{'0' * 32}.day-1057.parquet")
    assert (encrypted.kind, encrypted.label) == (PartKind.STREAM, "day-1057")


def test_a_table_that_was_not_created_has_nothing() -> None:
    assert (EMPTY.version, EMPTY.rows, EMPTY.size, EMPTY.by_day()) == (-1, 0, 0, {})
