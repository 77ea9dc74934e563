"""A lake knows whose keys it was written with, and refuses others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import LakeError, WrongInstallation
from pipeline.io.keys.installation import INSTALLATION, KEY, Installation, key_check, number_of
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.staging import MachineClock
from pipeline.ops.installation import adopt, look, require_fit
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.io.lakes import DAYS, EVENT, NOW, SCHEMA, app_id, batch

KIND = EpochKind.WEEK
RETENTION = 90


def keystore(folder: Path, now: datetime = NOW) -> LocalKeystore:
    """Keys with an epoch for the rows of `batch`."""
    keys = LocalKeystore(folder / "keys", now=lambda: now)
    keys.permanent_key("optout")
    for day in DAYS:
        keys.epoch_key(epoch_of(day, KIND))
    return keys


def opened(folder: Path, keys: LocalKeystore | None, clock: MachineClock | None = None) -> Lake:
    installation = None if keys is None else Installation(lambda: keys, KIND)
    return Lake(str(folder / "lake"), clock=clock, installation=installation)


def write(lake: Lake, start: int = 0) -> None:
    lake.events(EVENT, SCHEMA).commit(batch(start, start + 4))


def fits(folder: Path, keys: LocalKeystore | None) -> bool:
    return not look(opened(folder, None), keys, NOW, RETENTION).misfits


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeystore:
    return keystore(tmp_path / "state")


@pytest.fixture
def lake(tmp_path: Path, keys: LocalKeystore) -> Lake:
    """A lake of four rows, written by the installation of `keys`."""
    lake = opened(tmp_path, keys)
    write(lake)
    return lake


def test_id_and_checks_are_committed_with_the_rows_that_need_them(
    lake: Lake, keys: LocalKeystore
) -> None:
    table = lake.events(EVENT, SCHEMA).log.load()
    assert table is not None
    assert table.version() == 1  # the table's creation, and the rows
    assert table.transaction_version(INSTALLATION) == number_of(keys.begin())
    for epoch in {epoch_of(day, KIND).name for day in DAYS}:
        key = keys.live_key(epoch)
        assert key is not None
        assert table.transaction_version(f"{KEY}{epoch}") == key_check(key)


def test_they_are_written_once(lake: Lake, keys: LocalKeystore, tmp_path: Path) -> None:
    write(lake, 4)
    write(opened(tmp_path, keys), 8)
    log = tmp_path / "lake" / "events" / EVENT / "_delta_log"
    entries = [path.read_text() for path in sorted(log.glob("*.json"))]
    assert sum(f'"{INSTALLATION}"' in entry for entry in entries) == 1


def test_they_outlive_the_entries_of_the_log(lake: Lake, keys: LocalKeystore) -> None:
    table = lake.events(EVENT, SCHEMA)
    table.log.shorten()
    for path in (Path(table.log.uri) / "_delta_log").glob("*.json"):
        path.unlink()
    assert table.log.version_of(INSTALLATION) == number_of(keys.begin())
    assert table.position(app_id()) == 4


def test_the_installation_that_wrote_a_lake_fits(
    lake: Lake, keys: LocalKeystore, tmp_path: Path
) -> None:
    del lake
    assert fits(tmp_path, keys)
    assert not require_fit(opened(tmp_path, keys), keys, NOW, RETENTION, "state")


def test_another_state_folder_does_not_fit(lake: Lake, tmp_path: Path) -> None:
    del lake
    other = keystore(tmp_path / "other")
    other.begin()
    assert not fits(tmp_path, other)


def test_a_lost_state_folder_does_not_fit(lake: Lake, tmp_path: Path) -> None:
    del lake
    assert not fits(tmp_path, None)
    assert not fits(tmp_path, keystore(tmp_path / "new"))


def damage_epoch(folder: Path) -> None:
    next(folder.glob("epoch-*.key")).write_bytes(bytes(range(32)))


def damage_optout(folder: Path) -> None:
    (folder / "optout.key").write_bytes(bytes(range(32)))


def remove_epoch(folder: Path) -> None:
    index = folder / "index.json"
    for path in folder.glob("epoch-*.key"):
        path.unlink()
        index.write_text(index.read_text().replace(path.stem.removeprefix("epoch-"), "week-0001"))
    (folder / "epoch-week-0001.key").write_bytes(bytes(range(32)))
    (folder / "epoch-week-0001.key").chmod(0o600)


@pytest.mark.parametrize("damage", [damage_epoch, damage_optout, remove_epoch])
def test_an_exchanged_key_does_not_fit(
    lake: Lake, keys: LocalKeystore, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    del lake, keys
    damage(tmp_path / "state" / "keys")
    assert not fits(tmp_path, LocalKeystore(tmp_path / "state" / "keys", now=lambda: NOW))


def test_a_commit_under_other_keys_is_refused_and_leaves_nothing(
    lake: Lake, tmp_path: Path
) -> None:
    del lake
    table = opened(tmp_path, keystore(tmp_path / "other")).events(EVENT, SCHEMA)
    with pytest.raises(WrongInstallation):
        table.commit(batch(4, 8))
    assert table.position(app_id()) == 4
    files = list((tmp_path / "lake").rglob("*.parquet"))
    assert len(files) == len(table.snapshot().files)


def test_a_lake_of_the_first_version_is_adopted_once(tmp_path: Path, keys: LocalKeystore) -> None:
    write(opened(tmp_path, None))
    assert require_fit(opened(tmp_path, keys), keys, NOW, RETENTION, "state")
    assert not require_fit(opened(tmp_path, keys), keys, NOW, RETENTION, "state")
    assert not fits(tmp_path, keystore(tmp_path / "other"))
    write(opened(tmp_path, keys), 4)


def test_a_lake_of_the_first_version_is_not_adopted_by_keys_without_its_epochs(
    tmp_path: Path,
) -> None:
    write(opened(tmp_path, None))
    fresh = LocalKeystore(tmp_path / "new" / "keys", now=lambda: NOW)
    fresh.permanent_key("optout")
    with pytest.raises(WrongInstallation):
        require_fit(opened(tmp_path, None), fresh, NOW, RETENTION, "state")
    assert opened(tmp_path, None).events(EVENT, SCHEMA).log.version_of(INSTALLATION) is None


def test_a_lake_of_the_first_version_is_not_adopted_by_keys_younger_than_its_files(
    tmp_path: Path,
) -> None:
    real = datetime.now(UTC)
    an_hour_ago = MachineClock(wall=lambda: (real - timedelta(hours=1)).timestamp())
    write(opened(tmp_path, None, an_hour_ago))
    young = keystore(tmp_path / "new", now=real)
    with pytest.raises(WrongInstallation):
        require_fit(opened(tmp_path, None), young, NOW, RETENTION, "state")


@pytest.mark.parametrize("place", ["events", "restricted"])
def test_a_folder_with_files_and_no_log_is_an_error(
    lake: Lake, keys: LocalKeystore, tmp_path: Path, place: str
) -> None:
    del lake
    source = next((tmp_path / "lake" / "events").rglob("*.parquet"))
    folder = tmp_path / "lake" / place / "another" / "event_date=2026-11-23"
    folder.mkdir(parents=True)
    shutil.copy(source, folder / "rows.parquet")
    with pytest.raises(LakeError, match="log is gone"):
        look(opened(tmp_path, keys), keys, NOW, RETENTION)


def test_a_lost_log_is_an_error(lake: Lake, keys: LocalKeystore, tmp_path: Path) -> None:
    del lake
    shutil.rmtree(tmp_path / "lake" / "events" / EVENT / "_delta_log")
    with pytest.raises(LakeError, match="log is gone"):
        look(opened(tmp_path, keys), keys, NOW, RETENTION)


def test_an_empty_lake_fits_everybody(tmp_path: Path, keys: LocalKeystore) -> None:
    assert fits(tmp_path, keys)
    assert fits(tmp_path, None)


def test_adopting_makes_another_installation_fit(lake: Lake, tmp_path: Path) -> None:
    del lake
    other = keystore(tmp_path / "other")
    found = adopt(opened(tmp_path, None), other, KIND, NOW)
    assert found.tables == [f"events/{EVENT}"]
    assert found.installation == other.installation()
    assert len(found.before) == 1
    assert fits(tmp_path, other)
    write(opened(tmp_path, other), 4)


def test_adopting_gives_keys_to_the_epochs_of_stored_days(lake: Lake, tmp_path: Path) -> None:
    del lake
    fresh = LocalKeystore(tmp_path / "new" / "keys", now=lambda: NOW)
    adopt(opened(tmp_path, None), fresh, KIND, NOW)
    assert fits(tmp_path, fresh)


def test_days_beyond_the_retention_ask_for_no_key(lake: Lake, tmp_path: Path) -> None:
    del lake
    keys = LocalKeystore(tmp_path / "state" / "keys", now=lambda: NOW)
    later = NOW + timedelta(days=RETENTION + 30)
    for record in keys.epochs():
        keys.destroy(record.name)
    assert not look(opened(tmp_path, None), keys, later, RETENTION).misfits
