"""Erasure removes the rows of its subjects, every trace of their tokens, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import LakeError
from pipeline.io.folder_bytes import read_contents
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights import erasure as erasing
from pipeline.ops.rights.erasure import Subjects, erase, find
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.io.lakes import meddled
from tests.unit.ops.retention.test_seal import CLOSED, DAY, SETTLED, STORED, store

NEXT = DAY + timedelta(days=1)
GONE = f"{3:032x}"
"""`store` gives a row the token of its number modulo seven as subject."""


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    return Lake(str(tmp_path / "lake"), state=tmp_path / "state").events("api_request", STORED)


def subjects(*tokens: str, day: date = DAY) -> Subjects:
    return Subjects(EpochKind.DAY, {epoch_of(day, EpochKind.DAY).name: tokens})


def rows_in(table: EventTable) -> dict[str, list[dict[str, object]]]:
    """All rows by day, in file and row order; the names of files change, their order need not."""
    days: dict[str, list[dict[str, object]]] = {}
    for file in table.snapshot().files:
        rows = table.storage.read(file.path).to_pylist()
        days.setdefault(str(file.day), []).extend(rows)
    return {
        day: sorted(rows, key=lambda row: str(row["event_token"])) for day, rows in days.items()
    }


def without(rows: dict[str, list[dict[str, object]]], *tokens: str) -> object:
    kept = {
        day: [row for row in mine if row["subject"] not in tokens] for day, mine in rows.items()
    }
    return {day: mine for day, mine in kept.items() if mine}


def traces(folder: Path, token: str) -> list[str]:
    """Where a token is found: raw bytes, footers, decompressed columns, as text or as 16 bytes."""
    forms = (token.encode(), bytes.fromhex(token))
    return [one.place for one in read_contents(folder) if any(form in one.data for form in forms)]


@pytest.mark.parametrize("now", [None, CLOSED, SETTLED])
def test_rows_leave_without_a_trace_and_all_others_stay_as_they_were(
    table: EventTable, tmp_path: Path, now: object
) -> None:
    store(table, range(40), topic="a")
    store(table, range(40, 80), topic="b")
    if now is not None:
        list(Sealer().seal("api_request", table, now))  # type: ignore[arg-type]
    before = rows_in(table)
    if now is None:
        assert traces(tmp_path, f"{5:032x}")
    done = erase(table, subjects(GONE), job="erase")
    assert rows_in(table) == without(before, GONE)
    assert done.rows_removed == 80 - table.snapshot().rows > 0
    assert find(table, subjects(GONE)) == []
    tidy_tokens = [place for place in traces(tmp_path, GONE) if "event_token" not in place]
    # Event 3 has the token of its number as well; a final seal has dropped it.
    if now == SETTLED:
        assert tidy_tokens == []


def test_no_page_and_no_dictionary_keeps_an_erased_token(table: EventTable, tmp_path: Path) -> None:
    store(table, range(100, 150))
    assert traces(tmp_path, GONE)
    erase(table, subjects(GONE), job="erase")
    assert traces(tmp_path, GONE) == []


def test_the_search_finds_a_token_that_a_careless_copy_keeps(
    table: EventTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filtered dictionary still holds the values of the dropped rows: that is what is undone."""
    monkeypatch.setattr(erasing, "tidy", lambda rows: rows)
    store(table, range(100, 150))
    erase(table, subjects(GONE), job="erase")
    assert find(table, subjects(GONE)) == []
    assert traces(tmp_path, GONE)


def test_files_without_the_subject_are_not_touched(table: EventTable) -> None:
    store(table, [1, 2], topic="a")
    store(table, [3, 4], topic="b")
    store(table, [3], topic="c", day=NEXT)
    before = {file.path for file in table.snapshot().files}
    done = erase(table, subjects(GONE), job="erase")
    after = {file.path for file in table.snapshot().files}
    assert (done.files_before, done.files_after, done.rows_removed) == (1, 1, 1)
    assert len(before - after) == 1
    assert len(after & before) == 2


def test_a_token_counts_in_its_own_epoch_alone(table: EventTable) -> None:
    store(table, [3, 3], day=[DAY, NEXT])
    erase(table, subjects(GONE, day=NEXT), job="erase")
    assert [file.day for file in table.snapshot().files] == [DAY]


def test_a_file_of_nothing_else_goes_without_a_successor(table: EventTable) -> None:
    store(table, [3, 10, 17])
    done = erase(table, subjects(GONE), job="erase")
    assert (done.files_before, done.files_after, done.rows_removed) == (1, 0, 3)
    assert list(table.storage.files()) == []


def test_erasing_twice_changes_nothing_the_second_time(table: EventTable) -> None:
    store(table, range(20))
    erase(table, subjects(GONE), job="erase")
    version = table.snapshot().version
    assert erase(table, subjects(GONE), job="erase").files_before == 0
    assert table.snapshot().version == version


def test_thousands_of_accounts_go_in_one_rewrite(table: EventTable) -> None:
    store(table, range(70))
    many = [f"{number:032x}" for number in (*range(3), *range(1_000, 5_000))]
    before = rows_in(table)
    version = table.snapshot().version
    erase(table, subjects(*many), job="erase")
    assert rows_in(table) == without(before, *many)
    commits = [one for one in table.history() if one.account.get("job") == "erase"]
    assert [one.version for one in commits] == [version + 1]


def once(action: Callable[[], object]) -> Callable[[], None]:
    """Something that happens the first time only."""
    left = [action]

    def act() -> None:
        if left:
            left.pop()()

    return act


def test_an_erasure_that_meets_a_seal_plans_anew(table: EventTable) -> None:
    store(table, range(20), topic="a")
    store(table, range(20, 40), topic="b")
    before = rows_in(table)
    seal = once(lambda: list(Sealer().seal("api_request", table, CLOSED)))
    done = erase(meddled(table, seal), subjects(GONE), job="erase")
    assert rows_in(table) == without(before, GONE)
    assert done.files_after == 1


def test_rows_that_arrive_meanwhile_are_found_by_the_next_pass(table: EventTable) -> None:
    store(table, range(20), topic="a")
    append = once(lambda: store(table, range(20, 40), topic="b"))
    done = erase(meddled(table, append), subjects(GONE), job="erase")
    assert find(table, subjects(GONE)) == []
    assert done.rows_removed == 6
    assert table.snapshot().rows == 34


def test_rows_that_never_stop_arriving_are_told(table: EventTable) -> None:
    store(table, range(20), topic="a")
    append = lambda: store(table, [3, 4], topic="b")  # noqa: E731
    with pytest.raises(LakeError, match="keep reappearing"):
        erase(meddled(table, append), subjects(GONE), job="erase")


@pytest.mark.parametrize("step", ["reveal", "vacuum"])
def test_a_crash_leaves_a_day_as_it_was_or_finished(
    table: EventTable, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store(table, range(40), day=[DAY, NEXT] * 20)
    before = rows_in(table)
    both = Subjects(
        EpochKind.DAY, {epoch_of(day, EpochKind.DAY).name: [GONE] for day in (DAY, NEXT)}
    )

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if step == "reveal":
            erase(meddled(table, die), both, job="erase")
        else:
            patch.setattr(EventTable, "vacuum", die)
            erase(table, both, job="erase")
    assert table.snapshot().rows in (40, 37, 34)
    erase(table, both, job="erase")
    table.vacuum()
    assert rows_in(table) == without(before, GONE)
    assert {found.path for found in table.storage.files()} == {
        file.path for file in table.snapshot().files
    }


def test_a_damaged_file_stops_the_erasure_before_anything_changed(
    table: EventTable, tmp_path: Path
) -> None:
    store(table, range(20))
    (file,) = table.snapshot().files
    path = tmp_path / "lake" / "events" / "api_request" / file.path
    shorter = table.storage.read(file.path).slice(0, 15)
    pa.parquet.write_table(shorter, path)
    with pytest.raises(LakeError, match="would have changed other rows"):
        erase(table, subjects(GONE), job="erase")
    assert table.snapshot().files == (file,)
    assert [found.path for found in table.storage.files()] == [file.path]
