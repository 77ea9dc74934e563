"""`telemetry hold`: of accounts, through every command that has to know of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from tests.unit.ops.rights.desk import T0, World, days_back

NAMED = ["--owner", "legal", "--reason", "case 1", "--until", "2026-12-01"]
ID = "somebody@example.com"


class Place:
    """A lake of two accounts, and the commands bound to it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = World(folder)
        self.world.store([(account, day) for day in days_back(1, 2) for account in (ID, "b")])
        settings = folder / "telemetry.toml"
        settings.write_text('[privacy]\nepoch = "week"\n[lake]\npath = "lake"\n')
        self.words = ["--config", str(settings), "--lake", str(folder / "lake")]
        self.words += ["--state", str(folder / "state")]
        self.capsys = capsys

    def call(self, *words: str, days: int = 0, code: int = 0) -> Any:
        """Run a command so many days later; return its document, or what it said of its failure."""
        now = (T0 + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert main([*words, "--json", "--now", now, *self.words]) == code
        out, err = self.capsys.readouterr()
        assert ID not in out + err
        return err if code else json.loads(out)


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


def test_an_erasure_waits_for_the_end_of_a_hold_and_every_report_says_so(place: Place) -> None:
    hold = place.call("hold", "add", "--account", ID, *NAMED)
    assert (hold["accounts"], hold["first"]) == (1, None)
    done = place.call("erase", ID, "b", "--apply")
    assert (done["held"], done["rows_removed"]) == ({"erase": 1}, 2)
    stages = {one["stage"] for one in place.call("requests", "list", days=1)["waiting"]}
    assert stages == {"held", "swept"}
    plan = place.call("expire", days=1)
    assert [(one["hold"], one["accounts"]) for one in plan["held_accounts"]] == [(hold["hold"], 1)]
    place.call("hold", "end", hold["hold"], days=2)
    assert place.call("requests", "work", days=2)["rows_removed"] == 2
    assert place.world.rows() == []
    files = [path for path in place.world.state.rglob("*") if path.is_file()]
    assert not [path for path in files if ID.encode() in path.read_bytes()]


def test_the_clock_of_a_held_request_is_shown_beyond_its_limit(place: Place) -> None:
    until = (T0 + timedelta(days=40)).date()
    place.call("hold", "add", "--account", ID, *NAMED[:4], "--until", str(until))
    place.call("erase", ID, "--apply")
    (one,) = place.call("requests", "list", days=31)["waiting"]
    assert (one["stage"], one["clock"]) == ("held", "broken")
    place.call("requests", "list", days=41, code=1)


@pytest.mark.parametrize(
    "what", [[], ["--first", "2026-11-01", "--account", "b"], ["--last", "2026-11-01"]]
)
def test_a_hold_is_either_of_days_or_of_accounts(place: Place, what: list[str]) -> None:
    assert "either of days or of accounts" in place.call("hold", "add", *what, *NAMED, code=2)
