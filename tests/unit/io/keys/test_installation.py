"""What a commit adds to a log of its installation; see also `ops/test_installation`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.errors import WrongInstallation
from pipeline.io.disk.append_log import AppendFile
from pipeline.io.keys.installation import (
    INSTALLATION,
    KEY,
    LIST,
    Installation,
    NotedList,
    generations,
    key_check,
    number_of,
)
from pipeline.io.keys.local import LocalKeystore
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = date(2026, 11, 23)
EPOCH = epoch_of(DAY, EpochKind.WEEK)


class Log(dict[str, int]):
    """The numbers of a log."""

    def transaction_version(self, app_id: str) -> int | None:
        return self.get(app_id)


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeystore:
    keys = LocalKeystore(tmp_path / "keys", now=lambda: NOW)
    keys.permanent_key("optout")
    keys.epoch_key(EPOCH)
    return keys


@pytest.fixture
def mine(keys: LocalKeystore) -> Installation:
    return Installation(lambda: keys, EpochKind.WEEK)


def test_a_new_log_gets_the_id_and_a_check_of_each_key(
    keys: LocalKeystore, mine: Installation
) -> None:
    key = keys.live_key(EPOCH.name)
    assert key is not None
    assert mine.marks("table", Log(), [DAY]) == {
        INSTALLATION: number_of(keys.begin()),
        f"{KEY}optout": key_check(keys.permanent_key("optout")),
        f"{KEY}{EPOCH.name}": key_check(key),
    }


def test_what_the_log_says_already_is_not_said_again(mine: Installation) -> None:
    log = Log(mine.marks("table", Log(), [DAY]))
    assert mine.marks("table", log, [DAY]) == {}
    assert mine.marks("another", Log(), [DAY]) == log


@pytest.mark.parametrize("name", [INSTALLATION, f"{KEY}optout", f"{KEY}{EPOCH.name}"])
def test_another_number_is_refused(mine: Installation, name: str) -> None:
    log = Log(mine.marks("table", Log(), [DAY]))
    log[name] += 1
    with pytest.raises(WrongInstallation):
        mine.marks("table", log, [DAY])


def test_lists_that_were_written_since_are_said_again_and_older_ones_are_refused(
    keys: LocalKeystore,
) -> None:
    lists = {f"{LIST}optout": 3}
    mine = Installation(lambda: keys, EpochKind.WEEK, lambda: lists)
    log = Log(mine.marks("table", Log(), []))
    assert log[f"{LIST}optout"] == 3
    assert mine.marks("table", log, []) == {}
    lists[f"{LIST}optout"] = 4
    log |= mine.marks("table", log, [])
    assert log[f"{LIST}optout"] == 4
    lists[f"{LIST}optout"] = 3
    mine = Installation(lambda: keys, EpochKind.WEEK, lambda: lists)
    with pytest.raises(WrongInstallation, match="older copy"):
        mine.marks("table", log, [])


def test_lists_tell_how_often_they_were_written(tmp_path: Path) -> None:
    assert generations(tmp_path) == {}
    file = AppendFile(tmp_path / "holds.ndjson")
    with file.exclusive():
        file.append(["one"])
    assert generations(tmp_path) == {f"{LIST}holds": file.generation()}


def test_without_keys_nothing_is_said(tmp_path: Path) -> None:
    assert Installation(lambda: None, EpochKind.WEEK).marks("table", Log(), [DAY]) == {}
    nobody = NotedList(lambda: None, "optout")
    nobody.note()
    assert not nobody.known()


def test_a_list_is_known_once_it_was_noted(keys: LocalKeystore) -> None:
    noted = NotedList(lambda: keys, "optout")
    assert not noted.known()
    noted.note()
    assert noted.known()
    assert not NotedList(lambda: keys, "requests").known()
