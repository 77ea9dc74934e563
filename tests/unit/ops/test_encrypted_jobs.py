"""Jobs on encrypted files: what only they do, and what may happen to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import KeyUnavailable, LakeError
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.io.parquet.encryption import Encryption
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.retention import seal as sealing
from pipeline.ops.retention.portions import read_rows
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.erasure import find
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.ops.rights.desk import EVENT, T0, Killed, World, days_back


class Switched(World):
    """A world whose lake can be encrypted from some moment on."""

    def __init__(self, folder: Path, kind: EpochKind | None = EpochKind.WEEK) -> None:
        super().__init__(folder)
        self.switch(kind)

    def switch(self, kind: EpochKind | None) -> None:
        encryption = Encryption(lambda: self.keys, kind)
        self.lake = Lake(str(self.folder / "lake"), state=self.state, encryption=encryption)
        self.table = self.lake.events(EVENT, self.table.log.schema)
        self.rights = replace(self.rights, lake=self.lake)

    def labels(self, *, aside: bool = False) -> list[str | None]:
        table = self.lake.restricted(EVENT) if aside else self.table
        return [file.label for file in table.snapshot().files]


def weeks(*ages: int) -> list[str]:
    return [epoch_of(day, EpochKind.WEEK).name for day in days_back(*ages)]


def test_rights_are_carried_out_on_encrypted_files(tmp_path: Path) -> None:
    world = Switched(tmp_path)
    world.store([(account, day) for account in "abc" for day in days_back(20, 9)])
    everything = world.rows()
    world.ask(RequestKind.RESTRICT, "b")
    assert world.work().rows_moved == 2
    assert world.labels() == world.labels(aside=True) == weeks(20, 9)
    world.ask(RequestKind.RELEASE, "b")
    assert world.work().rows_moved == 2
    assert world.rows() == everything
    world.ask(RequestKind.ERASE, "a", "b")
    assert world.work().rows_removed == 4
    assert world.rows() == [row for row in everything if row[1] in world.of("c")]
    assert find(world.table, world.subjects("a", "b")) == []
    assert world.labels() == weeks(20, 9)


def test_a_seal_encrypts_a_day_that_is_sealed_already(tmp_path: Path) -> None:
    world = Switched(tmp_path, None)
    world.store([(account, day) for account in "abc" for day in days_back(20, 9)])
    plain = Sealer()
    assert len(list(plain.seal(EVENT, world.table, T0))) == 2
    rows = world.rows()
    world.switch(EpochKind.WEEK)
    assert list(plain.seal(EVENT, world.table, T0)) == []
    sealer = Sealer(encrypt=True)
    assert len(list(sealer.seal(EVENT, world.table, T0))) == 2
    assert world.labels() == weeks(20, 9)
    assert world.rows() == rows
    assert list(sealer.seal(EVENT, world.table, T0)) == []


def test_restricted_rows_are_encrypted_where_they_lie(tmp_path: Path) -> None:
    world = Switched(tmp_path, None)
    world.store([(account, day) for account in "ab" for day in days_back(20, 9)])
    world.restriction.restrict(world.subjects("b"))
    aside = world.rows(aside=True)
    world.switch(EpochKind.WEEK)
    assert world.restriction.encrypt() == 2
    assert world.labels(aside=True) == weeks(20, 9)
    assert world.rows(aside=True) == aside
    assert world.restriction.encrypt() == 0
    assert world.restriction.release(world.subjects("b")) == 2


def test_a_crash_while_restricted_rows_are_encrypted_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Switched(tmp_path, None)
    world.store([(account, day) for account in "ab" for day in days_back(20, 9)])
    world.restriction.restrict(world.subjects("b"))
    aside = world.rows(aside=True)
    world.switch(EpochKind.WEEK)

    def die(*_: object) -> None:
        raise Killed

    for name in ("replace_day", "vacuum"):
        monkeypatch.setattr(RestrictedTable, name, die)
        with pytest.raises(Killed):
            world.restriction.encrypt()
        monkeypatch.undo()
        assert world.rows(aside=True) == aside
    world.restriction.encrypt()
    assert world.labels(aside=True) == weeks(20, 9)
    assert world.rows(aside=True) == aside


def test_a_file_that_goes_while_an_encrypted_day_is_sealed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Switched(tmp_path)
    world.store([(account, day) for account in "abc" for day in days_back(9)])
    rivals = [world.subjects("a")]

    def meddled(*args: Any) -> Iterator[pa.Table]:
        if rivals:
            world.ask(RequestKind.ERASE, "a")
            rivals.clear()
            assert world.work().rows_removed == 1
        yield from read_rows(*args)

    monkeypatch.setattr(sealing, "read_rows", meddled)
    (sealed,) = Sealer().seal(EVENT, world.table, T0)
    assert (sealed.rows, len(world.rows())) == (2, 2)


def test_a_damaged_file_is_not_taken_for_another_jobs_work(tmp_path: Path) -> None:
    world = Switched(tmp_path)
    world.store([("a", day) for day in days_back(9)])
    (file,) = world.table.snapshot().files
    data = bytearray(Path(file.uri).read_bytes())
    data[40] ^= 1
    Path(file.uri).write_bytes(data)
    with pytest.raises(LakeError, match="could not be read"):
        list(Sealer().seal(EVENT, world.table, T0))
    assert world.labels() == weeks(9)


def test_an_erasure_passes_over_files_of_a_destroyed_epoch(tmp_path: Path) -> None:
    """No token of the account can be made for it, and nobody can read its rows."""
    world = Switched(tmp_path)
    world.store([(account, day) for account in "ab" for day in days_back(20, 9)])
    world.keys.destroy(weeks(20)[0])
    world.ask(RequestKind.ERASE, "a")
    assert world.work().rows_removed == 1
    with pytest.raises(KeyUnavailable, match="was destroyed"):
        world.rows()
