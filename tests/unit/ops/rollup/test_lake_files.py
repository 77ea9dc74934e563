"""One look at the lake: its files by day, its commits, and what arrived after a day was closed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import Encryption
from pipeline.ops.rollup.lake_files import LakeView, RemoteFiles, look_at
from pipeline.privacy.identity.epochs import EpochKind
from tests.unit.io.lakes import DAYS, EVENT, NOW, SCHEMA, batch, table_of

SCHEMAS = {EVENT: SCHEMA}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def look(lake: Lake, now: datetime = NOW, version: int = 0) -> LakeView:
    return look_at(lake, SCHEMAS, {EVENT: version}, now)


def test_files_are_listed_by_event_and_day(lake: Lake) -> None:
    for start in (0, 10):
        table_of(lake).commit(batch(start, start + 10))
    found = look(lake)
    assert [(file.event, file.day, file.rows, len(file.uris)) for file in found.files] == [
        (EVENT, DAYS[0], 10, 2),
        (EVENT, DAYS[1], 10, 2),
    ]
    assert all(Path(uri).exists() for file in found.files for uri in file.uris)
    assert (found.direct, found.oldest_day) == (True, DAYS[0])


def test_a_days_digest_changes_with_its_files_alone(lake: Lake) -> None:
    table = table_of(lake)
    table.commit(batch(0, 10))
    before = {file.day: file.digest for file in look(lake).files}
    assert {file.day: file.digest for file in look(lake).files} == before
    table.rewrite(table.snapshot().by_day()[DAYS[0]], metadata={})
    table.commit(batch(10, 11))
    after = {file.day: file.digest for file in look(lake).files}
    assert after[DAYS[0]] != before[DAYS[0]]
    assert after[DAYS[1]] == before[DAYS[1]]


def test_days_that_no_view_shows_are_left_out_but_known_as_the_oldest(lake: Lake) -> None:
    table_of(lake).commit(batch(0, 10))
    late = datetime.combine(DAYS[0] + timedelta(days=89), NOW.timetz())
    found = look(lake, late)
    assert [file.day for file in found.files] == [DAYS[1]]
    assert found.oldest_day == DAYS[0]


def test_commits_of_the_last_days_are_read_again_and_others_not(lake: Lake) -> None:
    for start in (0, 10):
        table_of(lake).commit(batch(start, start + 10))
    now = datetime.now(UTC)
    first = look(lake, now)
    assert [commit.read for commit in first.commits] == [10, 10]
    assert first.heads == {EVENT: 1}
    assert first.newest_commit == first.commits[-1].at
    later = now + timedelta(days=5)
    settled = look(lake, later)
    assert settled.heads == {EVENT: 3}
    assert look(lake, later, settled.heads[EVENT]).commits == []


def test_rows_that_arrived_after_their_day_was_closed_are_late(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless all of them did: then the whole day was loaded afterwards."""
    closing = datetime(2026, 11, 25, 2, tzinfo=UTC).timestamp()
    clock = {"now": closing - 1}
    timed = Lake(lake.root)
    monkeypatch.setattr(timed.writer, "clock", type(timed.writer.clock)(lambda: clock["now"]))
    table_of(timed).commit(batch(0, 10))
    clock["now"] = closing
    table_of(timed).commit(batch(10, 14))
    assert look(lake).late == {(EVENT, DAYS[1]): 2}


def test_a_lake_that_is_not_there_has_nothing(lake: Lake) -> None:
    found = look(lake)
    assert (found.files, found.commits, found.late) == ([], [], {})
    assert (found.newest_commit, found.oldest_day) == (None, None)
    assert found.heads == {EVENT: 0}


def test_encrypted_files_are_named_for_a_dataset_that_opens_them(tmp_path: Path) -> None:
    keys = Encryption(lambda: LocalKeystore(tmp_path / "keys", now=lambda: NOW), EpochKind.DAY)
    lake = Lake(str(tmp_path / "lake"), encryption=keys)
    table_of(lake).commit(batch(0, 10))
    found = look(lake)
    assert not found.direct
    paths = [uri for file in found.files for uri in file.uris]
    rows = RemoteFiles(lake, SCHEMAS)(EVENT, paths).to_table()
    assert sorted(rows["event_date"].to_pylist()) == sorted([DAYS[0]] * 5 + [DAYS[1]] * 5)
