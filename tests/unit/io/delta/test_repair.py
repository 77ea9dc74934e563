"""What a power cut leaves of a log is set aside; what it cannot leave is refused and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import LakeError
from pipeline.io.delta.durable import Durable
from pipeline.io.delta.log_files import CHECKPOINT_HINT, TORN_FOLDER, entry_name
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import DAYS, app_id, batch, expected, globbed, logged, table_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def opened(root: Path) -> Lake:
    """A lake as a new process sees it."""
    return Lake(str(root), state=root.parent / "state")


def log_of(root: Path) -> Path:
    return table_of(Lake(str(root))).log.folder


def filled(root: Path, slices: int = 3) -> None:
    """Commit slices of ten messages."""
    table = table_of(opened(root))
    for number in range(slices):
        table.commit(batch(number * 10, number * 10 + 10))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def before_position(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def first_line(path: Path) -> None:
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


def gone(path: Path) -> None:
    path.unlink()


TEARS = (empty, zeros, half, before_position, first_line)


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_last_entry_is_set_aside_and_its_slice_is_read_again(
    root: Path, tear: Callable[[Path], None]
) -> None:
    filled(root)
    torn = log_of(root) / entry_name(3)
    tear(torn)
    lake = opened(root)
    table = table_of(lake)
    assert table.position(app_id()) == 20
    assert (torn.parent / TORN_FOLDER / torn.name).exists()
    lake.recover()
    table.commit(batch(20, 30))
    assert logged(lake) == expected(0, 30)
    assert lake.missing_files() == ()


@pytest.mark.parametrize("tear", [*TEARS, gone])
def test_entries_after_a_torn_one_go_with_it(root: Path, tear: Callable[[Path], None]) -> None:
    """Another process had seen the torn entry, but neither had reported anything."""
    filled(root, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Durable, "make", lambda *_: None)
        table = table_of(opened(root))
        table.commit(batch(10, 20))
        table.commit(batch(20, 30))
    tear(log_of(root) / entry_name(2))
    assert table_of(opened(root)).position(app_id()) == 10
    assert logged(opened(root)) == expected(0, 10)


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_entry_that_a_later_one_knew_durable_is_damage(
    root: Path, tear: Callable[[Path], None]
) -> None:
    filled(root)
    tear(log_of(root) / entry_name(2))
    before = sorted(path.name for path in log_of(root).iterdir())
    with pytest.raises(LakeError, match="damaged"):
        table_of(opened(root)).position(app_id())
    assert sorted(path.name for path in log_of(root).iterdir()) == before


def test_a_torn_rewrite_whose_old_files_are_gone_is_damage(root: Path) -> None:
    filled(root)
    table = table_of(opened(root))
    table.rewrite(table.snapshot().by_day()[DAYS[0]], metadata={"job": "test"})
    table.vacuum()
    empty(log_of(root) / entry_name(4))
    with pytest.raises(LakeError, match="files before it are gone"):
        opened(root).stored_events()


@pytest.mark.parametrize("tear", [empty, zeros, half, first_line])
def test_a_torn_creation_is_made_again(root: Path, tear: Callable[[Path], None]) -> None:
    # A table is noted in the state folder once its creation is on the disk: not yet here.
    table_of(Lake(str(root))).log.ensure()
    tear(log_of(root) / entry_name(0))
    table = table_of(opened(root))
    assert table.position(app_id()) is None
    table.commit(batch(0, 10))
    assert logged(opened(root)) == expected(0, 10)


def test_a_torn_creation_beside_committed_files_is_damage(root: Path) -> None:
    filled(root, 1)
    for name in (0, 1):
        empty(log_of(root) / entry_name(name))
    with pytest.raises(LakeError, match="damaged"):
        table_of(opened(root)).position(app_id())
    assert globbed(root) == expected(0, 10)


@pytest.mark.parametrize("tear", [empty, zeros, half, gone])
def test_a_torn_checkpoint_beside_its_entries_does_no_harm(
    root: Path, tear: Callable[[Path], None]
) -> None:
    filled(root)
    table_of(opened(root)).log.shorten()
    (checkpoint,) = log_of(root).glob("*.checkpoint.parquet")
    tear(checkpoint)
    lake = opened(root)
    assert logged(lake) == expected(0, 30)
    table_of(lake).commit(batch(30, 40))
    assert logged(opened(root)) == expected(0, 40)


@pytest.mark.parametrize("tear", [empty, zeros, half, gone])
def test_a_torn_hint_does_no_harm(root: Path, tear: Callable[[Path], None]) -> None:
    filled(root)
    table_of(opened(root)).log.shorten()
    tear(log_of(root) / CHECKPOINT_HINT)
    assert logged(opened(root)) == expected(0, 30)


def test_a_torn_checkpoint_without_its_entries_is_damage(root: Path) -> None:
    filled(root)
    table_of(opened(root)).log.shorten()
    (checkpoint,) = log_of(root).glob("*.checkpoint.parquet")
    empty(checkpoint)
    (log_of(root) / entry_name(0)).unlink()
    with pytest.raises(LakeError, match="damaged"):
        table_of(opened(root)).position(app_id())


def test_foreign_files_in_a_log_are_left_alone(root: Path) -> None:
    filled(root)
    for name in ("notes.txt", "0003.json", ".hidden.tmp", "00000000000000000003.json.bak"):
        (log_of(root) / name).write_bytes(b"not ours")
    assert logged(opened(root)) == expected(0, 30)
    assert (log_of(root) / "notes.txt").read_bytes() == b"not ours"
