"""Restricted rows leave every view and come back: each exactly once, whatever crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.restricted_table import RestrictedTable
from pipeline.ops.retention.seal import Sealer
from tests.unit.io.lakes import globbed
from tests.unit.ops.rights.desk import T0, Killed, World, days_back

ROWS = [(account, day) for day in days_back(1, 2, 12) for account in "aabbbc"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.store(ROWS)
    return world


def test_restricted_rows_leave_the_views_and_come_back(world: World) -> None:
    before = world.rows()
    assert world.restriction.restrict(world.subjects("a", "c")) == 9
    mine = world.of("a", "c")
    assert world.rows() == [row for row in before if row[1] not in mine]
    assert world.rows(aside=True) == [row for row in before if row[1] in mine]
    assert not mine & set(globbed(world.folder / "lake"))
    assert world.restriction.release(world.subjects("c")) == 3
    assert world.rows(aside=True) == [row for row in before if row[1] in world.of("a")]
    assert world.restriction.release(world.subjects("a")) == 6
    assert (world.rows(), world.rows(aside=True)) == (before, [])


def test_moving_twice_moves_nothing_the_second_time(world: World) -> None:
    world.restriction.restrict(world.subjects("a"))
    assert world.restriction.restrict(world.subjects("a")) == 0
    world.restriction.release(world.subjects("a"))
    assert world.restriction.release(world.subjects("a")) == 0


def test_late_rows_join_those_that_are_aside(world: World) -> None:
    world.restriction.restrict(world.subjects("a"))
    world.store([("a", day) for day in days_back(1, 1)], topic="late")
    assert world.restriction.restrict(world.subjects("a")) == 2
    assert len(world.rows(aside=True)) == 8


def test_a_seal_between_two_moves_changes_nothing(world: World) -> None:
    before = world.rows()
    world.restriction.restrict(world.subjects("a"))
    list(Sealer().seal("api_request", world.table, T0))
    world.restriction.release(world.subjects("a"))
    list(Sealer().seal("api_request", world.table, T0))
    # A final seal drops the event tokens of the oldest day.
    assert len(world.rows()) == len(before)
    assert world.rows(aside=True) == []


@pytest.mark.parametrize("moves", ["restrict", "release"])
@pytest.mark.parametrize("step", ["decide", "replace", "reveal", "vacuum"])
def test_a_crash_at_any_step_neither_loses_nor_doubles_a_row(
    world: World, monkeypatch: pytest.MonkeyPatch, moves: str, step: str
) -> None:
    before = world.rows()
    if moves == "release":
        world.restriction.restrict(world.subjects("a", "b"))
    where = {
        "decide": (EventTable, "rewrite"),
        "replace": (RestrictedTable, "replace_day"),
        "reveal": (RestrictedTable, "_reveal"),
        "vacuum": (RestrictedTable, "vacuum"),
    }[step]

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(*where, die)
        getattr(world.restriction, moves)(world.subjects("a", "b"))
    world.restriction.finish()
    assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before
    getattr(world.restriction, moves)(world.subjects("a", "b"))
    if moves == "release":
        assert (world.rows(), world.rows(aside=True)) == (before, [])
    else:
        assert {row[1] for row in world.rows()} <= world.of("c")
        assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before
    table = world.lake.restricted("api_request")
    table.vacuum()
    assert table.unnamed() == ()


def test_without_finishing_a_crashed_move_rows_would_be_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `finish` is for: between the two commits the rows are in one unnamed file alone."""
    before = world.rows()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RestrictedTable, "replace_day", die)
        world.restriction.restrict(world.subjects("a"))
    assert len(world.rows()) + len(world.rows(aside=True)) < len(before)
    assert world.restriction.finish()
    assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before
    assert not world.restriction.finish()


def test_recovery_of_the_lake_leaves_decided_rows_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.rows()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RestrictedTable, "replace_day", die)
        world.restriction.restrict(world.subjects("a"))
    world.lake.recover()
    world.restriction.finish()
    assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before
