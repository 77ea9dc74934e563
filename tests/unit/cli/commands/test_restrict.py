"""`telemetry restrict`: rows leave every view, and are not lost."""

from __future__ import annotations

from tests.unit.cli.commands.tiny import Tiny


def test_rows_of_a_restricted_account_are_in_no_view(tiny: Tiny) -> None:
    done = tiny.call("restrict", tiny.account)
    assert (done["accounts"], done["rows_moved"], done["receipts"]) == (1, tiny.rows, [1])
    count = "SELECT count(*) AS n FROM api_request"
    assert tiny.call("sql", count) == [{"n": 1500 - tiny.rows}]
    (account,) = tiny.call("optout", "check", tiny.account)["accounts"]
    assert account["restricted"]
    assert tiny.call("erase", tiny.account)["rows"] == {
        "events/api_request": 0,
        "restricted/api_request": tiny.rows,
    }


def test_an_account_without_rows_is_restricted_and_said_to_have_none(tiny: Tiny) -> None:
    out, _ = tiny.say("restrict", "nobody@example.com")
    assert out.startswith("1 account restricted, 0 rows taken out of every view. Receipt 1.")
    assert "nothing of it is stored in the lake" in out
