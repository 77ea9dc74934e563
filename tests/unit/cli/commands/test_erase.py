"""`telemetry erase`: rows are counted, and removed only with --apply."""

from __future__ import annotations

from tests.unit.cli.commands.tiny import Tiny

COUNT = "SELECT count(*) AS n FROM api_request"


def test_without_apply_rows_are_counted_and_nothing_is_changed(tiny: Tiny) -> None:
    found = tiny.call("erase", tiny.account, "nobody@example.com")
    assert found == {
        "accounts": 2,
        "unknown": 1,
        "rows": {"events/api_request": tiny.rows},
        "applied": False,
    }
    assert tiny.call("sql", COUNT) == [{"n": 1500}]


def test_with_apply_rows_are_gone_and_a_receipt_says_so(tiny: Tiny) -> None:
    done = tiny.call("erase", tiny.account, "--apply")
    assert (done["rows_removed"], done["carried_out"]) == (tiny.rows, {"erase": 1})
    assert tiny.call("sql", COUNT) == [{"n": 1500 - tiny.rows}]
    assert [one["kind"] for one in tiny.call("receipts", "list")["receipts"]] == ["erase"]
    (account,) = tiny.call("optout", "check", tiny.account)["accounts"]
    assert account["erased"]


def test_an_account_without_rows_is_said_to_have_none(tiny: Tiny) -> None:
    out, _ = tiny.say("erase", "nobody@example.com", "--apply")
    assert "nothing of it is stored in the lake. Check the ids" in out
