"""The list is the truth: its snapshot is used where it fits, made again where not, never trusted.

Every list has a snapshot here, however short it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import OptOutStale
from pipeline.io.disk.append_log import AppendFile, ReadMark, Take
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.standings import follower
from pipeline.io.standings.entries import erased, forgotten, opted_out
from pipeline.io.standings.follower import ListFollower
from pipeline.io.standings.snapshot import open_snapshot, snapshot_path, write_snapshot

KEY = bytes(range(32))
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IDS = [f"account-{number}" for number in range(20)]


@pytest.fixture(autouse=True)
def _every_list_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "TAIL", 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    where = tmp_path / "state" / "optout.ndjson"
    opened(where).add(IDS, NOW)
    return where


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From which byte of the list each reading began."""
    begun: list[int] = []
    follow = AppendFile.follow

    def noted(self: AppendFile, mark: ReadMark, begin: Callable[[], Take]) -> object:
        begun.append(mark.size)
        return follow(self, mark, begin)

    monkeypatch.setattr(AppendFile, "follow", noted)
    return begun


def opened(path: Path) -> OptOutFile:
    return OptOutFile(path, KEY)


def known(path: Path) -> set[str]:
    return set(opened(path).load().standings)


def tokens(path: Path, ids: list[str] = IDS) -> set[str]:
    return set(opened(path).tokens(ids))


def test_a_start_reads_the_snapshot_and_not_the_list(path: Path, reads: list[int]) -> None:
    size = path.stat().st_size
    assert known(path) == tokens(path)
    assert reads == [size]


def test_whoever_adds_reads_the_snapshot_and_not_the_list(path: Path, reads: list[int]) -> None:
    size = path.stat().st_size
    assert opened(path).add(["one more"], NOW) == 1
    assert min(reads) >= size
    assert opened(path).check(["one more"])[0].intervals


def test_a_running_reader_reads_only_what_was_added(
    path: Path, reads: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "TAIL", 10_000)
    reader, size = opened(path), path.stat().st_size
    before = reader.load()
    opened(path).add(["one more"], NOW)
    reads.clear()
    after = reader.refresh(NOW)
    assert (len(before.standings), len(after.standings)) == (20, 21)
    assert reads == [size]
    reads.clear()
    assert reader.refresh(NOW) is after
    assert reads == []


def test_a_snapshot_may_be_removed_at_any_time_and_comes_back(path: Path) -> None:
    reader = opened(path)
    reader.load()
    snapshot_path(path).unlink()
    assert set(reader.refresh(NOW).standings) == tokens(path)
    assert open_snapshot(snapshot_path(path)) is not None


def truncate(snapshot: Path) -> None:
    os.truncate(snapshot, snapshot.stat().st_size - 24)


def flip_a_bit(snapshot: Path) -> None:
    content = bytearray(snapshot.read_bytes())
    content[-100] ^= 1
    snapshot.write_bytes(content)


def empty(snapshot: Path) -> None:
    snapshot.write_bytes(b"")


def take_another_lists(snapshot: Path) -> None:
    """One of the same length, of as many accounts, whole and private."""
    other = snapshot.parent.parent / "other" / "optout.ndjson"
    OptOutFile(other, bytes(32)).add(IDS, NOW)
    shutil.copy2(snapshot_path(other), snapshot)


def take_a_longer_lists(snapshot: Path) -> None:
    other = snapshot.parent.parent / "other" / "optout.ndjson"
    OptOutFile(other, bytes(32)).add([*IDS, "x"], NOW)
    shutil.copy2(snapshot_path(other), snapshot)


def let_others_read(snapshot: Path) -> None:
    snapshot.chmod(0o644)


DAMAGE = [truncate, flip_a_bit, empty, take_another_lists, take_a_longer_lists, let_others_read]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_snapshot_is_made_again(
    path: Path, damage: Callable[[Path], None]
) -> None:
    running, snapshot = opened(path), snapshot_path(path)
    running.load()
    right = snapshot.read_bytes()
    damage(snapshot)
    for source in (running, opened(path)):
        assert set(source.refresh(NOW).standings) == tokens(path)
    assert snapshot.read_bytes() == right
    assert snapshot.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", DAMAGE)
def test_whoever_adds_does_not_believe_it_either(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(snapshot_path(path))
    assert opened(path).add([*IDS, "one more"], NOW) == 1
    assert known(path) == tokens(path, [*IDS, "one more"])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty_the_list(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def change_a_byte(path: Path) -> None:
    """In the middle, which the snapshot covers; the times of the file are put back."""
    seen = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"11-24", b"11-25", 1))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def replace_by_another(path: Path) -> None:
    other = path.with_name("other")
    OptOutFile(other, bytes(32)).add(IDS, NOW)
    other.rename(path)


BREACHES = [cut, empty_the_list, remove, change_a_byte, replace_by_another]


@pytest.mark.parametrize("breach", BREACHES)
def test_a_list_that_is_not_what_was_written_stops_everybody_whatever_the_snapshot_says(
    path: Path, breach: Callable[[Path], None]
) -> None:
    breach(path)
    for use in (
        lambda: opened(path).load(),
        lambda: opened(path).check(IDS),
        lambda: opened(path).add(["one more"], NOW),
        lambda: opened(path).standings(),
    ):
        with pytest.raises(OptOutStale):
            use()


def test_a_list_from_a_backup_is_read_once_more_and_then_trusted(
    path: Path, reads: list[int]
) -> None:
    """Inode and times are others, so nothing says that nobody has written to it."""
    size = path.stat().st_size
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)
    assert known(path) == tokens(path)
    assert 0 in reads
    reads.clear()
    assert known(path) == tokens(path)
    assert reads == [size]


def test_a_list_that_was_accepted_as_it_is_gets_a_snapshot_of_its_own(path: Path) -> None:
    kept = path.read_bytes().splitlines(keepends=True)[:3]
    path.write_bytes(b"".join(kept))
    AppendFile(path).accept()
    assert known(path) == tokens(path, IDS[:3])
    snapshot = open_snapshot(snapshot_path(path))
    assert snapshot is not None
    assert set(snapshot.standings.tokens()) == tokens(path, IDS[:3])


def test_a_snapshot_that_a_short_list_does_not_fit_is_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would make it again, and it holds tokens that the list does not."""
    monkeypatch.setattr(follower, "TAIL", 10_000)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    AppendFile(path).accept()
    assert known(path) == tokens(path, IDS[:3])
    assert not snapshot_path(path).exists()


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_whoever_is_forgotten_is_in_neither_list_nor_snapshot(path: Path) -> None:
    """One with an ordinary record, and one whose standing is a line of it."""
    source, reader = opened(path), opened(path)
    ordinary, unusual = source.tokens(IDS[:2])
    source.change([unusual], erased, NOW)
    source.remove([IDS[0], IDS[1]], NOW)
    reader.load()
    left = path.with_name(f".{snapshot_path(path).name}.0123abcd.tmp")
    shutil.copy(snapshot_path(path), left)
    assert bytes.fromhex(unusual) in everything_in(path.parent)
    source.change([ordinary, unusual], forgotten, NOW)
    content = everything_in(path.parent)
    for token in (ordinary, unusual):
        assert bytes.fromhex(token) not in content
        assert token.encode() not in content
    assert open_snapshot(snapshot_path(path)) is not None
    for one in (source, reader, opened(path)):
        assert set(one.refresh(NOW).standings) == tokens(path, IDS[2:])


@pytest.mark.parametrize("dies_in", ["rewrite", "write_snapshot"])
def test_a_crash_while_somebody_is_forgotten_leaves_no_snapshot_that_knows_more(
    path: Path, dies_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(path)
    source.remove(IDS[:1], NOW)
    (gone,) = source.tokens(IDS[:1])

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if dies_in == "rewrite":
            patched.setattr(AppendFile, "rewrite", dies)
        else:
            patched.setattr(follower, "write_snapshot", dies)
        with pytest.raises(KeyboardInterrupt):
            source.change([gone], forgotten, NOW)
    snapshot = open_snapshot(snapshot_path(path))
    assert snapshot is None or gone not in snapshot.standings.tokens()
    assert known(path) == tokens(path, IDS if dies_in == "rewrite" else IDS[1:])


def test_where_no_snapshot_can_be_written_the_list_is_read_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_path(path).unlink()

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(follower, "write_snapshot", refused)
    reader = opened(path)
    assert set(reader.load().standings) == tokens(path)
    opened(path).add(["one more"], NOW)
    assert set(reader.refresh(NOW).standings) == tokens(path, [*IDS, "one more"])
    monkeypatch.setattr(ListFollower, "exclusive", refused)
    assert known(path) == tokens(path, [*IDS, "one more"])
    assert not snapshot_path(path).exists()


def test_a_crash_between_a_line_and_the_marker_does_not_cost_the_snapshot(path: Path) -> None:
    marker = path.with_name(f".{path.name}.created")
    before = marker.read_bytes()
    opened(path).add(["one more"], NOW)
    marker.write_bytes(before)
    snapshot_path(path).unlink()
    for _ in range(2):
        assert known(path) == tokens(path, [*IDS, "one more"])
        snapshot = open_snapshot(snapshot_path(path))
        assert snapshot is not None
        assert snapshot.header.size == path.stat().st_size


RACER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.standings import follower
from pipeline.io.standings.entries import forgotten
follower.TAIL = 300
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
now = datetime(2026, 11, 24, 12, tzinfo=UTC)
source, reader = (OptOutFile(path, bytes(range(32))) for _ in range(2))
for number in range(count):
    one, gone = f"{name}-{number}", f"{name}-gone-{number}"
    source.add([one, gone], now)
    source.remove([gone], now)
    found = reader.refresh(now).standings
    mine = source.tokens([f"{name}-{n}" for n in range(number + 1)])
    assert all(token in found for token in mine)
    source.change(source.tokens([gone]), forgotten, now)
    assert source.tokens([gone])[0] not in reader.refresh(now).standings
"""


def test_processes_that_add_forget_and_make_snapshots_at_once_agree(path: Path) -> None:
    count = 12
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(path), name, str(count)])
        for name in ("x", "y")
    ]
    assert [racer.wait(timeout=100) for racer in racers] == [0, 0]
    ids = [f"{name}-{number}" for name in ("x", "y") for number in range(count)]
    assert known(path) == tokens(path, [*IDS, *ids])
    content = everything_in(path.parent)
    gone = tokens(path, [f"{name}-gone-{number}" for name in ("x", "y") for number in range(count)])
    assert not any(token.encode() in content or bytes.fromhex(token) in content for token in gone)


def test_changes_do_not_depend_on_how_much_is_in_the_snapshot(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same acts on a list that is read line by line give the same list."""
    plain = path.parent.parent / "plain" / "optout.ndjson"
    for where, tail in ((path, 0), (plain, 1 << 30)):
        monkeypatch.setattr(follower, "TAIL", tail)
        source = opened(where)
        source.change(source.tokens(IDS), opted_out, NOW)
        source.remove(IDS[::2], NOW)
        source.change(source.tokens(IDS[::3]), erased, NOW)
        source.change(source.tokens(IDS[::2]), forgotten, NOW)
        source.add(IDS[:1], NOW)
    assert dict(opened(path).load().standings) == dict(opened(plain).load().standings)
    assert not snapshot_path(plain).exists()


def test_a_snapshot_is_written_under_the_lock_of_the_list(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one with a token that another process removes meanwhile could outlive the removal."""
    snapshot_path(path).unlink()
    held: list[bool] = []
    write = write_snapshot

    def noted(*given: Any) -> None:
        with path.with_name(f".{path.name}.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(True)
        write(*given)

    monkeypatch.setattr(follower, "write_snapshot", noted)
    assert known(path) == tokens(path)
    assert held == [True]


def test_a_list_without_a_note_of_its_look_is_read_whole_once(path: Path, reads: list[int]) -> None:
    marker = path.with_name(f".{path.name}.created")
    said = json.loads(marker.read_text())
    marker.write_text(json.dumps({"generation": said["generation"], "states": said["states"]}))
    snapshot_path(path).unlink()
    assert known(path) == tokens(path)
    reads.clear()
    assert known(path) == tokens(path)
    assert reads == [path.stat().st_size]
