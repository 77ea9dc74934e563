"""`telemetry optout`: ids in, counts out; the list keeps tokens alone."""

from __future__ import annotations

import io

import pytest

from tests.unit.cli.commands.tiny import Tiny


def test_an_opt_out_is_listed_once_and_queues_a_purge(tiny: Tiny) -> None:
    words = ["optout", "add", tiny.account]
    counts = {"accounts": 1, "changed": 1, "queued": 1}
    assert tiny.call(*words) == {**counts, "unknown": 0, "looked_since": "2026-11-24"}
    assert tiny.call(*words)["changed"] == 0
    found = tiny.call("optout", "check", "other@example.com", tiny.account)["accounts"]
    assert [one["opted_out"] for one in found] == [False, True]
    assert [one["kind"] for one in tiny.call("requests", "list")["waiting"]] == ["purge"]
    for path in tiny.state.rglob("*"):
        assert not path.is_file() or tiny.account.encode() not in path.read_bytes()


def test_an_opt_in_ends_it(tiny: Tiny) -> None:
    tiny.call("optout", "add", tiny.account)
    assert tiny.call("optout", "remove", tiny.account) == {"accounts": 1, "changed": 1}
    (found,) = tiny.call("optout", "check", tiny.account)["accounts"]
    assert found["opted_out"] is False


def test_ids_are_read_from_standard_input(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"a@example.com\nb@example.com\n"))
    )
    assert tiny.call("optout", "add", "-")["accounts"] == 2
