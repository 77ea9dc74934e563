"""`telemetry release`: what was set aside is back in the views."""

from __future__ import annotations

from tests.unit.cli.commands.tiny import Tiny


def test_released_rows_are_back(tiny: Tiny) -> None:
    tiny.call("restrict", tiny.account)
    done = tiny.call("release", tiny.account)
    assert (done["rows_moved"], done["finished"]) == (tiny.rows, {"release": 1})
    assert tiny.call("sql", "SELECT count(*) AS n FROM api_request") == [{"n": 1500}]
    (account,) = tiny.call("optout", "check", tiny.account)["accounts"]
    assert account["restricted"] is False


def test_an_account_that_was_not_restricted_moves_nothing(tiny: Tiny) -> None:
    assert "No rows of them were set aside." in tiny.say("release", tiny.account)[0]
