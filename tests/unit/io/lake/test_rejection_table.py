"""Every refused message is recorded once, if and only if the events' log has decided so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import LakeError, PositionConflict
from pipeline.events.model import CleanBatch
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.orphans import SWEEP_AFTER_SECONDS
from pipeline.io.lake.rejection_table import STORED, RejectionTable
from pipeline.io.lake.storage import LocalStorage
from tests.unit.io.lakes import (
    EVENT,
    NOW,
    SCHEMA,
    app_id,
    batch,
    expected,
    files_of,
    logged,
    meddled,
    table_of,
)


def opened(root: Path) -> Lake:
    return Lake(str(root), state=root.parent / "state")


def store(lake: Lake, made: CleanBatch) -> None:
    lake.rejections().prepare(made, NOW)
    lake.events(made.event, SCHEMA).commit(made)


def rows(table: RejectionTable) -> pa.Table:
    parts = [table.storage.read(file.path) for file in table.snapshot().files]
    return pa.concat_tables(parts).sort_by("offset")


def offsets(lake: Lake) -> list[int]:
    table = lake.rejections()
    return list(rows(table)["offset"].to_pylist()) if table.snapshot().files else []


def test_a_row_says_where_and_why_and_nothing_else(lake: Lake) -> None:
    store(lake, batch(0, 10, rejected=(4,)))
    table = lake.rejections()
    assert rows(table).to_pylist() == [
        {
            "ingest_hour": 12,
            "source": "file",
            "topic": "abc",
            "partition": 0,
            "offset": 4,
            "event": EVENT,
            "stage": "decode",
            "reason": "not_json",
            "size_bucket": 512,
        }
    ]
    assert [file.day for file in table.snapshot().files] == [date(2026, 11, 24)]
    assert STORED.names == ["ingest_date", *rows(table).column_names]
    assert table.storage.read(table.snapshot().files[0].path).schema.field("offset").metadata


def test_sizes_are_rounded_down_to_powers_of_two(lake: Lake) -> None:
    sizes = [0, 1, 2, 3, 4, 1023, 1024, 65_536, 2**31 - 1]
    refused = batch(0, len(sizes), rejected=tuple(range(len(sizes))))
    rejected = refused.rejected.set_column(1, "size", pa.array(sizes, pa.int32()))
    store(lake, replace(refused, rejected=rejected.cast(refused.rejected.schema)))
    found = rows(lake.rejections())["size_bucket"].to_pylist()
    assert found == [0, 1, 2, 2, 4, 512, 1024, 65_536, 2**30]


def test_nothing_is_written_for_a_batch_without_rejections(lake: Lake, root: Path) -> None:
    assert lake.rejections().prepare(batch(0, 10), NOW) == 0
    assert not root.exists()


def test_what_is_prepared_is_hidden_and_goes_when_its_events_are_refused(
    lake: Lake, root: Path
) -> None:
    table_of(opened(root)).commit(batch(0, 10))
    before = files_of(root)
    lake.rejections().prepare(batch(0, 10, rejected=(3,)), NOW)
    (hidden,) = set(files_of(root)) - set(before)
    assert Path(hidden).name.startswith(".part-")
    with pytest.raises(PositionConflict):
        table_of(lake).commit(batch(0, 10, rejected=(3,)))
    assert files_of(root) == before
    assert offsets(lake) == []


def test_two_writers_that_judge_differently_leave_each_message_in_one_table(
    lake: Lake, root: Path
) -> None:
    """One finds message 4 too old and the other, a moment earlier, did not."""
    other = opened(root)
    strict, mild = batch(0, 10, rejected=(4, 7)), batch(0, 10, rejected=(7,))
    lake.rejections().prepare(strict, NOW)
    other.rejections().prepare(mild, NOW)
    table_of(other).commit(mild)
    with pytest.raises(PositionConflict):
        table_of(lake).commit(strict)
    assert offsets(lake) == [7]
    assert logged(lake) == sorted(set(expected(0, 10)) - {"abc-7"})
    store(lake, batch(10, 20, rejected=(11,)))
    assert offsets(lake) == [7, 11]


def test_preparing_another_slice_drops_the_one_before(lake: Lake, root: Path) -> None:
    lake.rejections().prepare(batch(0, 10, rejected=(3,)), NOW)
    store(lake, batch(0, 8, rejected=(5,)))
    assert offsets(lake) == [5]
    assert len(files_of(root)) == 3
    lake.rejections().prepare(batch(8, 10, rejected=(9,)), NOW)
    lake.close()
    assert len(files_of(root)) == 3


def crash_before_recording(lake: Lake, made: CleanBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RejectionTable, "record", die)
        store(lake, made)
    lake.close()


def test_decided_rejections_are_recorded_at_the_next_start(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_recording(lake, batch(0, 10, rejected=(2, 7)), monkeypatch)
    assert offsets(lake) == []
    again = opened(root)
    assert again.recover() == 0
    assert offsets(again) == [2, 7]
    assert again.recover() == 0
    assert len(files_of(root)) == 3


def test_decided_rejections_are_recorded_by_the_next_slice_of_the_source(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_recording(lake, batch(0, 10, rejected=(2, 7)), monkeypatch)
    other = opened(root)
    store(other, batch(10, 20))
    store(other, batch(0, 10, "xyz", rejected=(1,)))
    assert offsets(other) == [1]
    store(other, batch(20, 30, rejected=(25,)))
    assert offsets(other) == [1, 2, 7, 25]


def test_decided_rejections_outlast_an_hour_without_anybody(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_recording(lake, batch(0, 10, rejected=(2,)), monkeypatch)
    (hidden,) = (root / "rejections").rglob(".part-*")
    then = time.time() - SWEEP_AFTER_SECONDS - 60
    os.utime(hidden, (then, then))
    stranger = Lake(str(root), state=root.parent / "another")
    assert stranger.recover() == 0
    assert offsets(stranger) == [2]


def test_undecided_rejections_of_a_dead_writer_are_removed(lake: Lake, root: Path) -> None:
    lake.rejections().prepare(batch(0, 10, rejected=(2,)), NOW)
    lake.writer.leftovers = True
    lake._prepared.clear()
    lake.close()
    again = opened(root)
    assert again.recover() == 1
    store(again, batch(0, 10, rejected=(3,)))
    assert offsets(again) == [3]


def test_a_half_written_file_of_a_dead_writer_is_removed(lake: Lake, root: Path) -> None:
    store(lake, batch(0, 10, rejected=(2,)))
    lake.rejections().prepare(batch(10, 20, rejected=(12,)), NOW)
    (hidden,) = (root / "rejections").rglob(".part-*")
    hidden.write_bytes(hidden.read_bytes()[:100])
    lake.writer.leftovers = True
    lake._prepared.clear()
    lake.close()
    assert opened(root).recover() == 1
    assert offsets(lake) == [2]


def test_rejections_that_two_record_at_once_are_recorded_once(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer itself, and another one that thinks that it has crashed."""
    other, original = opened(root), RejectionTable.record

    def late(self: RejectionTable, prepared: Any) -> None:
        monkeypatch.setattr(RejectionTable, "record", original)
        store(other, batch(10, 20, rejected=(11,)))
        original(self, prepared)

    monkeypatch.setattr(RejectionTable, "record", late)
    store(lake, batch(0, 10, rejected=(2,)))
    assert offsets(lake) == [2, 11]


def reveal(path: Path) -> None:
    """Give a hidden file its final name, as its writer does."""
    if path.name.startswith(".part-"):
        path.rename(path.with_name(path.name.removeprefix(".").removesuffix(".tmp")))


def look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.lstat

    def renamed_first(path: Path) -> os.stat_result:
        reveal(path)
        return original(path)

    monkeypatch.setattr(Path, "lstat", renamed_first)


def read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = LocalStorage.read

    def renamed_first(storage: LocalStorage, path: str, *options: Any) -> pa.Table:
        reveal(storage.root / path)
        return original(storage, path, *options)

    monkeypatch.setattr(LocalStorage, "read", renamed_first)


@pytest.mark.parametrize("renamed_before_others", [look_at_it, read_it])
def test_a_file_that_gets_its_name_while_it_is_looked_for_is_found(
    lake: Lake,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    renamed_before_others: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """Its writer renames it after another has listed the folder."""
    other = opened(root)
    store(lake, batch(0, 5, rejected=(1,)))
    crash_before_recording(lake, batch(5, 10, rejected=(6, 7)), monkeypatch)
    renamed_before_others(monkeypatch)
    store(other, batch(10, 20, rejected=(12,)))
    assert offsets(other) == [1, 6, 7, 12]


def test_a_failure_while_recording_is_made_good_and_fails_no_slice(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LakeError("no")

    with monkeypatch.context() as patched:
        patched.setattr(RejectionTable, "record", fail)
        store(lake, batch(0, 10, rejected=(2,)))
    assert table_of(lake).position(app_id()) == 10
    lake.close()
    assert opened(root).recover() == 0
    assert offsets(lake) == [2]


def test_decided_rejections_that_were_deleted_do_not_stop_the_source(
    lake: Lake, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_before_recording(lake, batch(0, 10, rejected=(2,)), monkeypatch)
    for path in (root / "rejections").rglob(".part-*"):
        path.unlink()
    other = opened(root)
    other.recover()
    store(other, batch(10, 20, rejected=(12,)))
    assert offsets(other) == [12]
    assert [record.account.get("rejections") for record in other.rejections().history()] == [
        None,
        0,
        1,
    ]


def test_a_commit_in_between_decides_and_the_other_file_goes(lake: Lake, root: Path) -> None:
    rival = opened(root)
    made = batch(0, 10, rejected=(2,))
    lake.rejections().prepare(made, NOW)
    racing = meddled(table_of(lake), _once(lambda: store(rival, batch(0, 6, rejected=(3,)))))
    with pytest.raises(PositionConflict):
        racing.commit(made)
    assert offsets(lake) == [3]
    assert len(files_of(root)) == 3


def _once(call: Callable[[], None]) -> Callable[[], None]:
    calls = iter([call])
    return lambda: next(calls, lambda: None)()


def test_the_same_file_read_as_two_events_keeps_both_accounts(lake: Lake) -> None:
    store(lake, batch(0, 10, rejected=(1,)))
    store(lake, replace(batch(0, 10, rejected=(1,)), event="session"))
    assert offsets(lake) == [1, 1]
