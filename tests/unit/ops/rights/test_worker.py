"""Requests are carried out in their order, once, on record, and nothing of them stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import RequestKind, RequestQueue
from pipeline.io.standings.entries import erased
from pipeline.ops.rights import worker as working
from pipeline.privacy.optout import Standing
from tests.unit.ops.rights.desk import T0, Killed, World, days_back

DAY = timedelta(days=1)
ROWS = [(account, day) for day in days_back(1, 2, 12, 40) for account in "aabbbcdd"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.store(ROWS)
    return world


def accounts_left(world: World, accounts: str = "abcd") -> str:
    there = {row[1] for row in world.rows()}
    return "".join(one for one in accounts if world.of(one) & there)


def kinds(world: World) -> list[str]:
    return [receipt.kind for receipt in world.receipts.all()]


def test_all_removals_are_one_pass_and_one_receipt(world: World) -> None:
    world.ask(RequestKind.ERASE, "a")
    world.ask(RequestKind.PURGE, "b")
    before = world.rows()
    version = world.table.snapshot().version
    done = world.work()
    assert done.rows_removed == 4 * 5
    assert world.rows() == [row for row in before if row[1] not in world.of("a", "b")]
    assert world.table.snapshot().version == version + 4  # a commit for each day
    (receipt,) = world.receipts.all()
    assert receipt.body["kinds"] == {"erase": 1, "purge": 1}
    table: Any = receipt.body["tables"]
    counts = table["events/api_request"]
    assert counts["rows_before"] - counts["rows_removed"] == counts["rows_after"]
    assert world.receipts.verify() is None


def test_children_go_first_and_have_a_receipt_of_their_own(world: World) -> None:
    world.ask(RequestKind.ERASE, "a", at=T0 - DAY)
    world.ask(RequestKind.ERASE_UNDER_13, "b", at=T0)
    world.work()
    first, second = world.receipts.all()
    assert (first.body["kinds"], second.body["kinds"]) == ({"erase_under_13": 1}, {"erase": 1})


def test_the_tombstone_stands_before_the_first_row_is_looked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between queue and list, when only the queue has the request."""
    world.queue.submit(RequestKind.ERASE, world.people("a"), T0)

    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(working, "erase", die)
    with pytest.raises(Killed):
        world.work()
    (standing,) = world.optouts.check(["a"])
    assert standing.erased_at is not None


def test_a_purge_leaves_no_tombstone(world: World) -> None:
    world.ask(RequestKind.PURGE, "a")
    world.work()
    (standing,) = world.optouts.check(["a"])
    assert standing.erased_at is None
    assert accounts_left(world) == "bcd"


def test_late_rows_go_with_the_second_pass_and_then_the_tokens_are_forgotten(
    world: World,
) -> None:
    (request,) = world.ask(RequestKind.ERASE, "a")
    world.work()
    world.store([("a", day) for day in days_back(0, 1)], topic="late")
    assert world.work(T0 + 8 * DAY - timedelta(seconds=1)).rows_removed == 0
    done = world.work(T0 + 8 * DAY)
    assert (done.rows_removed, dict(done.finished)) == (2, {"erase": 1})
    assert accounts_left(world) == "bcd"
    text = (world.state / "requests.ndjson").read_text()
    assert request.number in text
    assert not [token for token in world.of("a") if token in text]
    assert request.tokens.account not in text
    receipts = (world.state / "receipts.ndjson").read_text()
    assert not [token for token in world.of("a") if token in receipts]


def test_rows_of_somebody_who_opted_in_again_survive_the_second_pass(world: World) -> None:
    world.ask(RequestKind.PURGE, "a")
    world.work()
    world.optouts.remove(["a"], T0 + DAY)
    world.store([("a", day) for day in days_back(0)], topic="again")
    done = world.work(T0 + 8 * DAY)
    assert done.rows_removed == 0
    assert accounts_left(world) == "abcd"
    assert world.queue.pending() == ()


def test_restricted_rows_are_erased_as_well(world: World) -> None:
    world.ask(RequestKind.RESTRICT, "a")
    world.work()
    assert world.rows(aside=True)
    world.ask(RequestKind.ERASE, "a")
    assert world.work().rows_removed == 8
    assert world.rows(aside=True) == []


def test_restrict_and_release_are_carried_out_in_their_order(world: World) -> None:
    before = world.rows()
    world.ask(RequestKind.RESTRICT, "a", at=T0 - 2 * DAY)
    world.ask(RequestKind.RELEASE, "a", at=T0 - DAY)
    world.ask(RequestKind.RESTRICT, "b", at=T0)
    world.work()
    assert {row[1] for row in world.rows(aside=True)} <= world.of("b")
    assert accounts_left(world) == "acd"
    a, b = world.optouts.check(["a", "b"])
    assert (a.restricted, b.restricted is not None) == (None, True)
    assert sorted([*world.rows(), *world.rows(aside=True)], key=repr) == before


def test_a_released_account_is_not_set_aside_by_an_old_second_pass(world: World) -> None:
    world.ask(RequestKind.RESTRICT, "a")
    world.work()
    world.ask(RequestKind.RELEASE, "a", at=T0 + DAY)
    world.work(T0 + DAY)
    world.work(T0 + 9 * DAY)
    assert accounts_left(world) == "abcd"
    assert world.queue.pending() == ()


def test_thousands_of_requests_are_one_batch(world: World) -> None:
    many = [f"account-{number}" for number in range(2_000)]
    world.ask(RequestKind.ERASE, "a", *many)
    version = world.table.snapshot().version
    done = world.work()
    assert done.swept["erase"] == 2_001
    assert world.table.snapshot().version == version + 4
    assert kinds(world) == ["erase"]


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (OptOutFile, "change"),
        (Receipts, "write"),
        (RequestQueue, "sweep"),
    ],
)
def test_a_crash_at_any_step_is_made_good_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    world.ask(RequestKind.ERASE, "a")
    before = world.rows()

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, step, die)
        world.work()
    world.work()
    assert world.rows() == [row for row in before if row[1] not in world.of("a")]
    (request,) = world.queue.pending()
    assert request.swept_at is not None
    assert world.receipts.verify() is None
    named: list[Sequence[str]] = [one.body["requests"] for one in world.receipts.all()]  # type: ignore[misc]
    assert [request.number] in named


def test_queued_exports_lie_in_the_state_folder_for_thirty_days(world: World) -> None:
    (request,) = world.ask(RequestKind.EXPORT, "a")
    done = world.work()
    (folder,) = done.exports
    assert folder == world.state / "exports" / request.number
    assert len((folder / "api_request.jsonl").read_text().splitlines()) == done.rows_exported == 8
    assert world.queue.pending() == ()
    made = datetime.fromtimestamp(folder.stat().st_mtime, T0.tzinfo)
    world.work(made + 29 * DAY)
    assert folder.exists()
    world.work(made + 31 * DAY)
    assert not folder.exists()


def test_a_tombstone_is_forgotten_when_no_copy_of_an_event_can_come_any_more(
    world: World,
) -> None:
    world.ask(RequestKind.ERASE, "a", "b")
    world.optouts.add(["b"], T0 + DAY)
    (tombstone,) = world.optouts.tokens(["a"])
    world.work()
    world.work(T0 + 8 * DAY)
    world.work(T0 + 97 * DAY - timedelta(seconds=1))
    assert all(one.erased_at is not None for one in world.optouts.check(["a", "b"]))
    reader = OptOutFile(world.state / "optout.ndjson", world.keys.permanent_key("optout"))
    assert tombstone in reader.load().standings
    done = world.work(T0 + 97 * DAY)
    assert done.tombstones_forgotten == 2
    assert tombstone not in (world.state / "optout.ndjson").read_text()
    a, b = world.optouts.check(["a", "b"])
    assert a == Standing()
    assert (b.erased_at, len(b.intervals)) == (None, 1)  # an opt-out ends on request only
    assert set(reader.refresh(T0 + 97 * DAY).standings) == set(world.optouts.tokens(["b"]))
    receipt = world.receipts.all()[-1]
    assert (receipt.kind, receipt.body) == ("forget", {"tombstones": 2})
    assert world.receipts.verify() is None
    assert world.work(T0 + 98 * DAY).receipts == []


def test_a_tombstone_stays_while_a_request_of_its_account_waits(world: World) -> None:
    world.queue.submit(RequestKind.ERASE, world.people("a"), T0 + 90 * DAY)
    world.optouts.change(world.optouts.tokens(["a"]), erased, T0)
    world.work(T0 + 97 * DAY)
    (standing,) = world.optouts.check(["a"])
    assert standing.erased_at is not None
