"""A legal hold of an account keeps its stored rows from requests: they wait, and say so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.io.rights.holds import Hold, Holds
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.rights.deadlines import Lateness, RequestStage, entry_of
from tests.unit.ops.rights.desk import T0, World, days_back

DAY = timedelta(days=1)


class HeldWorld(World):
    """Four accounts with rows, and holds as the commands keep them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store([(account, day) for day in days_back(1, 12) for account in "abcd"])
        self.holds = Holds(self.state / "holds.ndjson")
        self.rights = replace(self.rights, held=lambda now: self.holds.accounts(now.date()))

    def hold(self, *accounts: str) -> Hold:
        """Hold accounts for forty days."""
        tokens = self.optouts.tokens(accounts)
        until = T0.date() + 40 * DAY
        return self.holds.add_accounts(tokens, "legal", "case 1", until, T0)

    def left(self) -> str:
        """The accounts that have rows in a view or aside."""
        there = {row[1] for aside in (False, True) for row in self.rows(aside=aside)}
        return "".join(account for account in "abcd" if self.of(account) & there)


@pytest.fixture
def world(tmp_path: Path) -> HeldWorld:
    return HeldWorld(tmp_path)


@pytest.mark.parametrize("kind", [RequestKind.ERASE, RequestKind.ERASE_UNDER_13, RequestKind.PURGE])
def test_a_held_account_keeps_its_rows_and_all_others_go(
    world: HeldWorld, kind: RequestKind
) -> None:
    world.hold("a")
    world.ask(kind, "a", "b")
    done = world.work()
    assert (dict(done.held), dict(done.swept), done.rows_removed) == ({kind: 1}, {kind: 1}, 2)
    assert world.left() == "acd"


def test_the_rows_go_when_the_hold_has_ended(world: HeldWorld) -> None:
    hold = world.hold("a")
    world.ask(RequestKind.ERASE, "a")
    world.work()
    world.work(T0 + 20 * DAY)
    assert world.left() == "abcd"
    assert world.receipts.all() == []
    world.holds.end(hold.hold, T0 + 20 * DAY)
    world.work(T0 + 20 * DAY)
    assert world.left() == "bcd"
    assert world.queue.pending() == ()  # the second pass was due by then


def test_a_hold_ends_by_itself(world: HeldWorld) -> None:
    world.hold("a")
    world.ask(RequestKind.ERASE, "a")
    world.work(T0 + 40 * DAY)
    assert world.left() == "abcd"
    world.work(T0 + 41 * DAY)
    assert world.left() == "bcd"


def test_new_events_of_a_held_account_are_forbidden_at_once(world: HeldWorld) -> None:
    """As after a crash between queue and list, when only the queue has the request."""
    world.hold("a")
    world.queue.submit(RequestKind.ERASE, world.people("a"), T0)
    world.work()
    (standing,) = world.optouts.check(["a"])
    assert standing.erased_at is not None


def test_the_second_pass_of_a_held_account_waits_as_well(world: HeldWorld) -> None:
    world.ask(RequestKind.ERASE, "a")
    world.work()
    world.store([("a", day) for day in days_back(0)], topic="late")
    world.hold("a")
    assert world.work(T0 + 8 * DAY).held == {"erase": 1}
    assert world.left() == "abcd"
    assert world.work(T0 + 41 * DAY).rows_removed == 1


def test_a_held_account_is_restricted_released_and_exported_as_any_other(
    world: HeldWorld,
) -> None:
    world.hold("a")
    world.ask(RequestKind.RESTRICT, "a")
    world.ask(RequestKind.EXPORT, "a")
    done = world.work()
    assert (done.rows_moved, done.rows_exported, dict(done.held)) == (2, 2, {})


def test_the_clock_of_a_held_request_goes_on_and_is_shown(world: HeldWorld) -> None:
    world.hold("a")
    (request,) = world.ask(RequestKind.ERASE, "a")
    held = world.holds.accounts(T0.date())
    for age, clock in (
        (DAY, Lateness.IN_TIME),
        (8 * DAY, Lateness.WARN),
        (31 * DAY, Lateness.BROKEN),
    ):
        entry = entry_of(request, T0 + age, held)
        assert (entry.stage, entry.clock) == (RequestStage.HELD, clock)
    assert entry_of(request, T0).stage is RequestStage.WAITING
