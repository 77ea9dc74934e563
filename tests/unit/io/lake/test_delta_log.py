"""A log is created once, keeps numbers, and is read as of one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipeline.errors import LakeError, OutcomeUnknown
from pipeline.io.delta.commit import CommitRefused
from pipeline.io.delta.log_files import entry_name
from pipeline.io.delta.standing import KnownLogs
from pipeline.io.lake import delta_log
from pipeline.io.lake.delta_log import LOOKS, DeltaLog
from tests.unit.io.lakes import SCHEMA

CANARY = "alice@example.com"


@pytest.fixture
def log(tmp_path: Path) -> DeltaLog:
    return DeltaLog(str(tmp_path / "table"), {}, SCHEMA, "event_date", "events")


def number(log: DeltaLog, value: int, app_id: str = "a", job: str = "test") -> int:
    return log.commit(log.ensure(), [], {app_id: value}, {"job": job})


def test_looking_at_a_log_that_is_not_there_makes_none(log: DeltaLog) -> None:
    assert log.load() is None
    assert (log.version_of("a"), log.versions_of(["a", "b"])) == (None, [None, None])
    assert (log.history(), log.history_since(3)) == ((), (-1, ()))
    log.shorten()
    assert not Path(log.uri).exists()


def test_numbers_of_several_names_are_those_of_one_moment(log: DeltaLog) -> None:
    number(log, 7)
    number(log, 9, "b")
    assert log.versions_of(["b", "a", "none"]) == [9, 7, None]
    assert log.version_of("b") == 9


def test_a_commit_on_top_of_an_old_version_is_refused(log: DeltaLog) -> None:
    old = log.ensure()
    number(log, 1)
    with pytest.raises(CommitRefused):
        log.commit(old, [], {"a": 2}, {})
    assert log.version_of("a") == 1


def test_a_mark_stands_whatever_stood_before_and_whatever_columns_there_are(log: DeltaLog) -> None:
    wide = replace(log, schema=SCHEMA.append(pa.field("plan", pa.string())))
    number(wide, 9)
    narrow = replace(log, schema=SCHEMA.remove(2))
    loaded = narrow.load()
    assert loaded is not None
    narrow.mark(loaded, {"a": -3}, {"job": "mark"})
    assert log.version_of("a") == -3


def test_history_says_what_was_committed_without_our_own_words(log: DeltaLog) -> None:
    for value in range(3):
        number(log, value, job=f"job {value}")
    newest, records = log.history_since(2)
    assert newest == 3
    assert [(record.version, record.account) for record in records] == [
        (2, {"job": "job 1"}),
        (3, {"job": "job 2"}),
    ]
    assert [record.version for record in log.history()] == [0, 1, 2, 3]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> int:
    """Checkpoints at every fourth version."""
    monkeypatch.setattr(delta_log, "CHECKPOINT_EVERY", 4)
    return 4


def test_a_log_that_was_shortened_says_the_same(log: DeltaLog, often: int) -> None:
    for value in range(often):
        assert not list(log.folder.glob("*.checkpoint.parquet"))
        number(log, value)
    assert list(log.folder.glob("*.checkpoint.parquet"))
    for entry in sorted(log.folder.glob("*.json"))[:-1]:
        entry.unlink()
    assert log.version_of("a") == often - 1
    assert number(log, often) == often + 1


def test_a_log_that_is_cleaned_while_it_is_read_is_read_again_some_times(log: DeltaLog) -> None:
    tries: list[int] = []

    def read(fail: int, error: Exception) -> Callable[[], int]:
        tries.clear()

        def once() -> int:
            tries.append(1)
            if len(tries) <= fail:
                raise error
            return len(tries)

        return once

    gone = DeltaError(f"Object at location {CANARY} not found")
    assert log.look(read(LOOKS - 1, gone)) == LOOKS
    assert log.look(read(1, FileNotFoundError(2, CANARY))) == 2
    with pytest.raises(LakeError, match="could not be read") as caught:
        log.look(read(LOOKS, gone))
    assert len(tries) == LOOKS
    assert CANARY not in str(caught.value)
    with pytest.raises(LakeError):
        log.look(read(1, DeltaError(CANARY)))
    assert len(tries) == 1


def test_a_listing_that_misses_an_entry_is_made_again(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in range(3):
        number(log, value)
    entry = log.folder / entry_name(2)
    hidden = entry.rename(log.folder.parent / "hidden")
    looked: list[str] = []

    def list_again(_known: KnownLogs, uri: str) -> None:
        if hidden.exists():
            hidden.rename(entry)
        looked.append(uri)

    monkeypatch.setattr(KnownLogs, "forget", list_again)
    monkeypatch.setattr(DeltaLog, "_repair", lambda *_: False)  # it reads entry by entry
    table = log.load_anew()
    assert table is not None
    assert (table.version(), looked) == (3, [log.uri])


def test_what_the_disk_does_not_confirm_is_not_called_stored(
    log: DeltaLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.ensure()

    def broken(*_: object) -> None:
        raise OSError(5, CANARY)

    monkeypatch.setattr(type(log.durable), "make", broken)
    with pytest.raises(OutcomeUnknown, match="EIO") as caught:
        number(log, 1)
    assert CANARY not in str(caught.value)


def test_a_checkpoint_that_cannot_be_written_does_not_undo_its_commit(
    log: DeltaLog, often: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise DeltaError(CANARY)

    monkeypatch.setattr(DeltaTable, "create_checkpoint", broken)
    for value in range(often):
        number(log, value)
    assert log.version_of("a") == often - 1
    assert "no checkpoint was written: LakeError" in caplog.text
    assert CANARY not in caplog.text


def test_nothing_shows_the_stores_credentials(log: DeltaLog) -> None:
    assert CANARY not in repr(replace(log, options={"aws_secret_access_key": CANARY}))
