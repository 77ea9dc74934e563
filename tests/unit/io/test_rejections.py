"""Every refused message is recorded once, and once refused it stays refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import PositionConflict
from pipeline.events.model import Reason, Stage
from pipeline.io.lake import Lake
from pipeline.io.rejections import STORED, RejectionTable
from tests.unit.io.lakes import EVENT, NOW, batch, expected, logged, meddled, span, table_of


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"), state=tmp_path / "state")


def rows(table: RejectionTable) -> pa.Table:
    parts = [table.storage.read(file.path) for file in table.snapshot().files]
    return pa.concat_tables(parts).sort_by("offset")


def offsets(table: RejectionTable) -> list[int]:
    return list(rows(table)["offset"].to_pylist()) if table.snapshot().files else []


def test_a_row_says_where_and_why_and_nothing_else(lake: Lake) -> None:
    table = lake.rejections()
    assert table.commit(batch(0, 10, rejected=(4,)), NOW) == 1
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
    rejected = rejected.cast(refused.rejected.schema)
    table = lake.rejections()
    table.commit(replace(refused, rejected=rejected), NOW)
    found = rows(table)["size_bucket"].to_pylist()
    assert found == [0, 1, 2, 2, 4, 512, 1024, 65_536, 2**30]


def test_a_batch_without_rejections_writes_nothing(lake: Lake, tmp_path: Path) -> None:
    assert lake.rejections().commit(batch(0, 10), NOW) == 0
    assert not (tmp_path / "lake").exists()


def test_a_replay_after_a_crash_between_the_two_commits_doubles_nothing(lake: Lake) -> None:
    table = lake.rejections()
    table.commit(batch(0, 10, rejected=(2, 7)), NOW)
    # Crash before the events. The replay is cut differently, and 7 would now be accepted.
    known = table.recorded(span(0, 8), EVENT)
    assert known == {
        2: (Stage.DECODE, Reason.NOT_JSON),
        7: (Stage.DECODE, Reason.NOT_JSON),
    }
    replay = batch(0, 8, rejected=(2, 5, 7))
    assert table.commit(replay, NOW) == 1
    table_of(lake).commit(replay)
    rest = batch(8, 20, rejected=(9, 15))
    assert table.recorded(rest.span, EVENT) == {}
    assert table.commit(rest, NOW) == 2
    table_of(lake).commit(rest)
    assert offsets(table) == [2, 5, 7, 9, 15]
    assert logged(lake) == sorted(set(expected(0, 20)) - {f"abc-{n}" for n in (2, 5, 7, 9, 15)})


def test_recorded_reads_no_file_when_nothing_was_cut(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = lake.rejections()
    table.commit(batch(0, 10, rejected=(2,)), NOW)
    monkeypatch.setattr(type(table.storage), "read", None)
    assert table.recorded(span(10, 20), EVENT) == {}
    assert table.recorded(span(0, 10, "other"), EVENT) == {}
    assert table.recorded(span(0, 10), "session") == {}


def test_a_slice_that_was_committed_already_adds_no_rejections(lake: Lake) -> None:
    table = lake.rejections()
    table_of(lake).commit(batch(0, 10))
    with pytest.raises(PositionConflict):
        table.commit(batch(0, 10, rejected=(3,)), NOW)
    assert offsets(table) == []


def test_two_writers_of_the_same_rejections_record_them_once(lake: Lake) -> None:
    table, other = lake.rejections(), Lake(lake.root).rejections()
    meddling = iter([batch(0, 10, rejected=(1, 2)), batch(0, 10, rejected=(3,))])

    def meddle() -> None:
        for rival in meddling:
            other.commit(rival, NOW)
            break

    racing = meddled(table, meddle)
    assert racing.commit(batch(0, 10, rejected=(1, 2, 3, 4)), NOW) == 1
    assert offsets(table) == [1, 2, 3, 4]


def test_the_same_file_read_as_two_events_keeps_both_accounts(lake: Lake) -> None:
    table = lake.rejections()
    table.commit(batch(0, 10, rejected=(1,)), NOW)
    table.commit(replace(batch(0, 10, rejected=(1,)), event="session"), NOW)
    assert offsets(table) == [1, 1]


def test_rejections_are_kept_seven_days(lake: Lake, tmp_path: Path) -> None:
    table = lake.rejections()
    for age in (9, 8, 7, 0):
        table.commit(batch(age * 10, age * 10 + 5, f"t{age}", (age * 10,)), NOW - timedelta(age))
    assert table.expire(NOW) == 2
    assert offsets(table) == [0, 70]
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) == 2
    assert table.expire(NOW) == 0
