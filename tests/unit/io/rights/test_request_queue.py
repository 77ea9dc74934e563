"""Rights requests are queued before anybody is told so, and hold no account id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.rights.request_queue import (
    OptedOut,
    RequestKind,
    RequestQueue,
    account_tokens,
    opt_out,
)
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.privacy.identity.tokens import Domain, token

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
KIND = EpochKind.FOUR_WEEKS


class Desk:
    """A state folder with everything that an opt-out needs."""

    def __init__(self, state: Path, now: datetime = NOW) -> None:
        self.now = now
        self.state = state
        self.keys = LocalKeystore(state / "keys", now=lambda: self.now)
        self.optouts = OptOutFile(state / "optout.ndjson", self.keys.permanent_key("optout"))
        self.queue = RequestQueue(state / "requests.ndjson")

    def opt_out(self, *ids: str, at: datetime = NOW) -> OptedOut:
        return opt_out(ids, at, optouts=self.optouts, queue=self.queue, keys=self.keys, epochs=KIND)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


def test_an_opt_out_queues_one_purge_for_each_account(desk: Desk) -> None:
    assert desk.opt_out("alice", "bob") == OptedOut(added=2, queued=2)
    assert [request.kind for request in desk.queue.pending()] == [RequestKind.PURGE] * 2
    accounts = [request.tokens.account for request in desk.queue.pending()]
    assert accounts == desk.optouts.tokens(["alice", "bob"])


def test_the_queue_holds_tokens_and_no_account_id(desk: Desk) -> None:
    desk.opt_out("alice@example.com")
    for path in desk.state.rglob("*"):
        assert path.is_dir() or b"alice" not in path.read_bytes()
    assert "alice" not in repr(desk.queue.pending())
    (request,) = desk.queue.pending()
    assert not any(value in repr(request) for value in request.tokens.subjects.values())


def test_a_purge_knows_the_subject_in_every_epoch_that_may_hold_rows(desk: Desk) -> None:
    old = epoch_of((NOW - timedelta(days=100)).date(), KIND)
    desk.now = NOW - timedelta(days=60)
    assert desk.keys.epoch_key(old) is not None
    desk.now = NOW
    desk.opt_out("alice")
    (request,) = desk.queue.pending()
    days = [*range(100, -1, -1)]
    epochs = {epoch_of((NOW - timedelta(days=day)).date(), KIND) for day in days}
    assert set(request.tokens.subjects) == {epoch.name for epoch in epochs}
    for epoch in epochs:
        key = desk.keys.live_key(epoch.name)
        assert key is not None
        assert request.tokens.subjects[epoch.name] == token(key, Domain.SUBJECT, "alice")


def test_an_epoch_that_begins_within_the_hour_is_included(desk: Desk) -> None:
    last = epoch_of(NOW.date(), KIND).last_day
    eve = datetime(last.year, last.month, last.day, 23, 30, tzinfo=UTC)
    desk.now = eve
    (tokens,) = account_tokens(
        ["alice"], optouts=desk.optouts, keys=desk.keys, epochs=KIND, now=eve
    )
    assert epoch_of(last + timedelta(days=1), KIND).name in tokens.subjects


def test_a_destroyed_epoch_is_left_out(desk: Desk) -> None:
    epoch = epoch_of(NOW.date(), KIND)
    desk.keys.epoch_key(epoch)
    desk.keys.destroy(epoch.name)
    desk.opt_out("alice")
    (request,) = desk.queue.pending()
    assert epoch.name not in request.tokens.subjects
    assert request.tokens.subjects


def test_repeating_an_opt_out_queues_nothing_more(desk: Desk) -> None:
    desk.opt_out("alice")
    assert desk.opt_out("alice", at=LATER) == OptedOut(added=0, queued=0)
    assert len(desk.queue.pending()) == 1


def test_a_crash_between_queue_and_list_is_made_good_by_repeating(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(OptOutFile, "add", crash)
    with pytest.raises(KeyboardInterrupt):
        desk.opt_out("alice")
    monkeypatch.undo()
    assert len(desk.queue.pending()) == 1
    again = Desk(desk.state)
    assert again.opt_out("alice", at=LATER) == OptedOut(added=1, queued=0)
    assert len(again.queue.pending()) == 1


def test_a_queue_that_cannot_be_written_leaves_the_account_in(desk: Desk) -> None:
    (desk.state / "requests.ndjson").mkdir()
    with pytest.raises(EnvironmentProblem):
        desk.opt_out("alice")
    assert desk.optouts.check(["alice"])[0].intervals == ()


def test_rows_stored_after_opting_in_are_purged_by_the_next_opt_out(desk: Desk) -> None:
    desk.opt_out("alice")
    desk.optouts.remove(["alice"], NOW + timedelta(minutes=10))
    assert desk.opt_out("alice", at=LATER) == OptedOut(added=1, queued=1)
    assert len(desk.queue.pending()) == 2


def test_a_finished_request_keeps_its_number_and_loses_its_tokens(desk: Desk) -> None:
    desk.opt_out("alice", "bob")
    first, second = desk.queue.pending()
    assert desk.queue.finish([first.number, "unknown"], LATER) == 1
    assert desk.queue.finish([first.number], LATER) == 0
    assert desk.queue.pending() == (second,)
    done = desk.queue.all()[0]
    assert (done.number, done.kind, done.at) == (first.number, first.kind, first.at)
    text = (desk.state / "requests.ndjson").read_text()
    assert first.tokens.account not in text
    assert not any(value in text for value in first.tokens.subjects.values())
    assert second.tokens.account in text


def test_children_go_first_then_the_oldest(desk: Desk) -> None:
    (one, two, three) = account_tokens(
        ["a", "b", "c"], optouts=desk.optouts, keys=desk.keys, epochs=KIND, now=NOW
    )
    desk.queue.submit(RequestKind.ERASE, [one], NOW)
    desk.queue.submit(RequestKind.EXPORT, [two], NOW - timedelta(hours=1))
    desk.queue.submit(RequestKind.ERASE_UNDER_13, [three], LATER)
    waiting = [request.tokens.account for request in desk.queue.pending()]
    assert waiting == [three.account, two.account, one.account]


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"request":"x"}', b"\x00"])
def test_a_broken_queue_is_told_by_line(desk: Desk, line: bytes) -> None:
    desk.opt_out("alice")
    path = desk.state / "requests.ndjson"
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(EnvironmentProblem, match="line 2"):
        desk.queue.pending()


def test_a_lost_queue_is_told(desk: Desk) -> None:
    desk.opt_out("alice")
    (desk.state / "requests.ndjson").unlink()
    with pytest.raises(EnvironmentProblem, match="gone"):
        desk.queue.pending()
    with pytest.raises(EnvironmentProblem, match="gone"):
        desk.opt_out("bob")


def test_a_torn_request_does_not_count(desk: Desk) -> None:
    desk.opt_out("alice")
    path = desk.state / "requests.ndjson"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:50])
    assert len(desk.queue.pending()) == 1
    desk.opt_out("bob")
    assert len(desk.queue.pending()) == 2
