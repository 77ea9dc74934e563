"""A commit is made, certainly not made, or not known: the log says which, never the error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction

from pipeline.errors import EnvironmentProblem, LakeError, OutcomeUnknown
from pipeline.io.delta.commit import CommitRefused, Target, commit
from pipeline.io.delta.entry import parse_entry
from pipeline.io.delta.log_files import entry_name
from pipeline.io.lake.delta_log import DeltaLog
from tests.unit.io.lakes import DAYS, SCHEMA, app_id

CANARY = "alice@example.com"
SECRET = {"aws_secret_access_key": CANARY}


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    found = DeltaLog(str(tmp_path / "table"), {}, SCHEMA, "event_date", "events")
    found.ensure()
    return found


def loaded(log: DeltaLog) -> DeltaTable:
    table = log.load()
    assert table is not None
    return table


def added(number: int) -> AddAction:
    path = f"event_date={DAYS[0]}/part-{number}.parquet"
    return AddAction(path, 10, {"event_date": DAYS[0].isoformat()}, 0, True, '{"numRecords":1}')


def committed(log: DeltaLog, table: DeltaTable, number: int, uri: str = "") -> int:
    target = Target(uri or log.uri, {}, SCHEMA, "event_date")
    return commit(target, table, [added(number)], {app_id(): number}, {"job": "test"}, 0)


def failing(patch: pytest.MonkeyPatch, error: BaseException, *, made: bool) -> None:
    """Have the call fail, with its commit in the log or without."""
    real = DeltaTable.create_write_transaction

    def call(*args: Any, **options: Any) -> None:
        if made:
            real(*args, **options)
        raise error

    patch.setattr(DeltaTable, "create_write_transaction", call)


def test_a_commit_has_the_next_version_and_says_how_many_lines_it_has(log: DeltaLog) -> None:
    assert committed(log, loaded(log), 1) == 1
    content = (log.folder / entry_name(1)).read_bytes()
    entry = parse_entry(content)
    assert entry is not None
    assert (entry.added, entry.positions) == (frozenset({added(1).path}), {app_id(): 1})
    assert entry.durable == 0
    words = json.loads(content.splitlines()[0])["commitInfo"]["telemetry"]
    assert (words["job"], words["lines"]) == ("test", len(content.splitlines()))


def test_no_two_commits_have_one_mark(log: DeltaLog) -> None:
    for number in (1, 2):
        committed(log, loaded(log), number)
    entries = [parse_entry((log.folder / entry_name(at)).read_bytes()) for at in (1, 2)]
    assert len({entry.mark for entry in entries if entry and entry.mark}) == 2


def test_a_version_that_another_commit_has_is_refused(log: DeltaLog) -> None:
    table = loaded(log)
    committed(log, loaded(log), 1)
    with pytest.raises(CommitRefused):
        committed(log, table, 2)
    assert loaded(log).version() == 1


@pytest.mark.parametrize("error", [OSError(5, CANARY), DeltaError(CANARY), ValueError(CANARY)])
def test_a_failed_call_whose_entry_is_in_the_log_has_made_its_commit(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing(monkeypatch, error, made=True)
    assert committed(log, loaded(log), 1) == 1


def test_a_local_commit_that_is_not_in_the_log_was_not_made(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, OSError(28, CANARY), made=False)
    with pytest.raises(EnvironmentProblem, match="did not take a commit") as caught:
        committed(log, loaded(log), 1)
    assert CANARY not in str(caught.value)
    failing(monkeypatch, DeltaError(CANARY), made=False)
    with pytest.raises(LakeError, match="DeltaError") as told:
        committed(log, loaded(log), 1)
    assert CANARY not in str(told.value)
    assert not isinstance(told.value, OutcomeUnknown)


def test_in_an_object_store_a_commit_that_is_not_in_the_log_may_still_arrive(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, DeltaError(CANARY), made=False)
    with pytest.raises(OutcomeUnknown, match="may still arrive") as caught:
        committed(log, loaded(log), 1, f"file://{log.uri}")
    assert CANARY not in str(caught.value)


@pytest.mark.usefixtures("heeds_permissions")
def test_a_log_that_cannot_be_read_says_nothing_of_a_commit(log: DeltaLog) -> None:
    table = loaded(log)
    committed(log, loaded(log), 1)
    (log.folder / entry_name(1)).chmod(0)
    with pytest.raises(OutcomeUnknown, match="could not be asked") as caught:
        committed(log, table, 2)
    assert "Nothing was removed" in caught.value.remedy


def test_a_commit_whose_entry_was_cleaned_away_is_told_by_its_files(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wrote a checkpoint behind it and removed the entries before."""
    table = loaded(log)
    real = DeltaTable.create_write_transaction

    def made_and_cleaned(*args: Any, **options: Any) -> None:
        real(*args, **options)
        monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
        committed(log, loaded(log), 2)
        loaded(log).create_checkpoint()
        for version in (0, 1):
            (log.folder / entry_name(version)).unlink()
        raise DeltaError("lost")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", made_and_cleaned)
    assert committed(log, table, 1) == 1


def test_a_target_shows_no_credentials() -> None:
    assert CANARY not in repr(Target("s3://lake/t", SECRET, SCHEMA, "event_date"))
