"""Keys are made once, kept private, and never made again after they were destroyed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, KeyUnavailable
from pipeline.io.disk.private import erase_private, write_private
from pipeline.io.keys import local
from pipeline.io.keys.local import LocalKeystore
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EPOCH = epoch_of(NOW.date(), EpochKind.FOUR_WEEKS)
OLD = epoch_of(date(2026, 6, 1), EpochKind.FOUR_WEEKS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def opened(folder: Path) -> LocalKeystore:
    return LocalKeystore(folder, now=lambda: NOW)


def key_file(folder: Path, epoch: Epoch = EPOCH) -> Path:
    return folder / f"epoch-{epoch.name}.key"


def test_folder_and_files_are_private_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        store = opened(folder)
        store.epoch_key(EPOCH)
        store.permanent_key("optout")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_last_epoch_within_retention_still_gets_its_key(folder: Path) -> None:
    edge = Epoch(EpochKind.DAY, epoch_of(date(2026, 8, 27), EpochKind.DAY).index)
    beyond = Epoch(EpochKind.DAY, edge.index - 1)
    store = opened(folder)
    assert store.epoch_key(edge) is not None
    assert store.epoch_key(beyond) is None


def test_a_destroyed_epoch_is_never_made_again(folder: Path) -> None:
    store, other = opened(folder), opened(folder)
    assert other.epoch_key(EPOCH) is not None
    assert store.epoch_key(EPOCH) is not None
    assert store.destroy(EPOCH.name)
    assert not store.destroy(EPOCH.name)
    assert not store.destroy("4weeks-9999")
    assert store.epoch_key(EPOCH) is None
    assert other.epoch_key(EPOCH) is None
    assert opened(folder).epoch_key(EPOCH) is None
    assert not key_file(folder).exists()
    (record,) = store.epochs()
    assert (record.name, record.live, record.last_day) == (EPOCH.name, False, EPOCH.last_day)


def test_a_live_key_is_read_by_name_and_never_made(folder: Path) -> None:
    store = opened(folder)
    assert store.live_key(EPOCH.name) is None
    key = store.epoch_key(EPOCH)
    assert store.live_key(EPOCH.name) == key
    store.destroy(EPOCH.name)
    assert store.live_key(EPOCH.name) is None


def test_a_key_that_vanishes_while_running_is_noticed(folder: Path) -> None:
    store = opened(folder)
    store.epoch_key(EPOCH)
    store.permanent_key("optout")
    key_file(folder).unlink()
    (folder / "optout.key").unlink()
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        store.epoch_key(EPOCH)
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        store.permanent_key("optout")
    assert not key_file(folder).exists()


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_key_of_another_length_is_refused(folder: Path, content: bytes) -> None:
    store = opened(folder)
    store.epoch_key(EPOCH)
    key_file(folder).write_bytes(content)
    for one in (store, opened(folder)):
        with pytest.raises(KeyUnavailable, match="malformed"):
            one.epoch_key(EPOCH)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_can_reach_is_refused_also_while_running(folder: Path, mode: int) -> None:
    store = opened(folder)
    store.epoch_key(EPOCH)
    key_file(folder).chmod(mode)
    for one in (store, opened(folder)):
        with pytest.raises(KeyUnavailable, match=r"chmod 600"):
            one.epoch_key(EPOCH)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711, 0o777])
def test_a_folder_that_others_can_enter_is_refused(folder: Path, mode: int) -> None:
    opened(folder)
    folder.chmod(mode)
    with pytest.raises(KeyUnavailable, match=r"chmod 700"):
        opened(folder)


def test_links_are_refused(folder: Path, tmp_path: Path) -> None:
    store = opened(folder)
    store.epoch_key(EPOCH)
    key_file(folder).rename(tmp_path / "elsewhere")
    key_file(folder).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnavailable, match="link"):
        opened(folder).epoch_key(EPOCH)
    (tmp_path / "linked").symlink_to(folder)
    with pytest.raises(KeyUnavailable, match="link"):
        opened(tmp_path / "linked")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_account_is_refused(folder: Path) -> None:
    opened(folder).epoch_key(EPOCH)
    os.chown(key_file(folder), 65534, 65534)
    with pytest.raises(KeyUnavailable, match="another account"):
        opened(folder).epoch_key(EPOCH)


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("x")
    with pytest.raises((EnvironmentProblem, KeyUnavailable)):
        opened(tmp_path / "keys")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"epochs": {}}', b'{"epochs": 1}'])
def test_a_broken_index_is_refused(folder: Path, content: bytes) -> None:
    opened(folder).epoch_key(EPOCH)
    (folder / "index.json").write_bytes(content)
    with pytest.raises(KeyUnavailable, match="index of keys"):
        opened(folder)


def test_a_lost_index_is_not_begun_anew_beside_keys(folder: Path) -> None:
    opened(folder).epoch_key(EPOCH)
    (folder / "index.json").unlink()
    with pytest.raises(KeyUnavailable, match="index of keys"):
        opened(folder)


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("crash_at", range(10))
def test_a_crash_at_any_write_leaves_a_usable_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    """Making three keys and destroying two takes ten writes; each is the last one once."""
    monkeypatch.setattr(local, "write_private", _crashing(write_private, crash_at))
    monkeypatch.setattr(local, "erase_private", _crashing(erase_private, crash_at))
    before: dict[str, bytes | None] = {}
    finished = False
    try:
        store = opened(folder)
        before["epoch"] = store.epoch_key(EPOCH)
        before["data"] = store.data_key(EPOCH)
        before["optout"] = store.permanent_key("optout")
        store.destroy(EPOCH.name)
        finished = True
    except Crash:
        pass
    monkeypatch.undo()
    again = opened(folder)
    epoch, optout = again.epoch_key(EPOCH), again.permanent_key("optout")
    data = again.data_key(EPOCH)
    assert before.get("optout") in (None, optout)
    records = {record.name: record.live for record in again.epochs()}
    if records[EPOCH.name]:
        assert not finished
        assert before.get("epoch") in (None, epoch)
        assert before.get("data") in (None, data)
    else:
        assert epoch is None
        assert data is None
        assert not key_file(folder).exists()
    index = json.loads((folder / "index.json").read_text())
    live = [n for n, item in index["epochs"].items() if not item["destroyed"]]
    listed = {f"{kind}-{n}" for n in live for kind in ("epoch", "data")}
    assert {path.stem for path in folder.glob("*.key")} == listed | set(index["permanent"])


_calls: list[int] = []


def _crashing(original, crash_at: int):  # type: ignore[no-untyped-def]
    _calls.clear()

    def wrapped(*args: object) -> None:
        _calls.append(1)
        if len(_calls) == crash_at + 1:
            raise Crash
        original(*args)

    return wrapped


RACER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from pipeline.io.keys.local import LocalKeystore
from pipeline.privacy.identity.epochs import Epoch
folder, start, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
while time.time() < start:
    pass
store = LocalKeystore(folder, now=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
for name in names:
    print(store.epoch_key(Epoch.parse(name)).hex(), flush=True)
print(store.permanent_key("optout").hex(), flush=True)
"""


def race(folder: Path, names: list[str], processes: int) -> Iterator[subprocess.Popen[str]]:
    start = str(time.time() + 1.0)
    for _ in range(processes):
        yield subprocess.Popen(
            [sys.executable, "-c", RACER, str(folder), start, *names],
            stdout=subprocess.PIPE,
            text=True,
        )


def test_processes_that_make_the_same_keys_end_with_the_same_ones(folder: Path) -> None:
    last = epoch_of(NOW.date(), EpochKind.DAY).index
    names = [Epoch(EpochKind.DAY, last - index).name for index in range(30)]
    racers = list(race(folder, names, 3))
    answers = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len(answers[0]) == len(set(answers[0])) == 31
    assert answers[0] == answers[1] == answers[2]


def test_killed_processes_leave_keys_that_others_go_on_with(folder: Path) -> None:
    """What a process has answered before kill -9 is what the next one answers."""
    last = epoch_of(NOW.date(), EpochKind.DAY).index
    names = [Epoch(EpochKind.DAY, last - index).name for index in range(60)]
    known: dict[str, str] = {}
    for round_ in range(4):
        (racer,) = race(folder, names, 1)
        assert racer.stdout is not None
        answered = [racer.stdout.readline().strip() for _ in range(1 + 12 * round_)]
        racer.send_signal(signal.SIGKILL)
        racer.communicate()
        for name, key in zip(names, answered, strict=False):
            assert known.setdefault(name, key) == key
    store = opened(folder)
    for name, key in known.items():
        found = store.epoch_key(Epoch.parse(name))
        assert found is not None
        assert found.hex() == key
    assert len(known) == 37


def test_two_installations_have_different_ids(tmp_path: Path) -> None:
    assert opened(tmp_path / "a").begin() != opened(tmp_path / "b").begin()


def test_looking_for_a_permanent_key_makes_none(folder: Path) -> None:
    assert opened(folder).live_permanent_key("optout") is None
    made = opened(folder).permanent_key("optout")
    assert opened(folder).live_permanent_key("optout") == made
    assert not (folder / "files.key").exists()


def test_an_index_of_the_first_version_is_read(folder: Path) -> None:
    key = opened(folder).permanent_key("optout")
    index = folder / "index.json"
    said = json.loads(index.read_text())
    index.write_text(json.dumps({name: said[name] for name in ("permanent", "epochs")}))
    keys = opened(folder)
    assert (keys.installation(), keys.lists(), keys.live_permanent_key("optout")) == (
        None,
        frozenset(),
        key,
    )
