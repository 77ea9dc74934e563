"""A look at the newest days: of how many accounts nothing is stored there, and how far it went."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pipeline.ops.rights.known import Looked, look
from pipeline.privacy.identity.epochs import EpochKind
from tests.unit.ops.rights.desk import TODAY, World, days_back


def looked(world: World, *accounts: str, most: int | None = None) -> Looked:
    people = world.people(*accounts)
    return look(world.lake, people, EpochKind.WEEK, most)


def test_accounts_without_a_row_are_counted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store([("a", day) for day in days_back(1, 9)])
    world.store([("b", TODAY - timedelta(days=9))])
    assert looked(world, "a", "b", "c", "d") == Looked(2, TODAY - timedelta(days=9), whole=True)
    assert looked(world, "A").unknown == 1


def test_no_older_day_is_read_once_all_were_seen_or_enough_rows_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store([("a", day) for day in days_back(1, 9)])
    yesterday = TODAY - timedelta(days=1)
    assert looked(world, "a") == Looked(0, yesterday, whole=False)
    found = looked(world, "c", most=1)
    assert found == Looked(1, yesterday, whole=False)
    assert found.where == f"since {yesterday}, and older days were not looked at"


def test_an_empty_lake_knows_nobody(tmp_path: Path) -> None:
    assert looked(World(tmp_path), "a") == Looked(1, None, whole=True)
