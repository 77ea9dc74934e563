"""`telemetry rollup`: closed days are published once, and what is published stays."""

from __future__ import annotations

from tests.unit.cli.commands.tiny import Tiny


def test_closed_days_are_published_once(tiny: Tiny) -> None:
    first = tiny.call("rollup")
    assert first["days"] == 3
    assert first["published"] > 0
    assert tiny.call("rollup")["windows"] == 0
    assert "Nothing is due" in tiny.say("rollup")[0]
    said = tiny.refused("rollup", "--regenerate", code=2)
    assert "frozen" in said


def test_a_smaller_cell_than_eleven_accounts_cannot_be_asked_for(tiny: Tiny) -> None:
    tiny.refused("rollup", "--min-accounts", "10", code=2)
    assert not (tiny.lake / "rollups").exists()
