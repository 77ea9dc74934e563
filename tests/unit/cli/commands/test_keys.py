"""`telemetry keys`: epochs and installation, never a key; adopting is recorded."""

from __future__ import annotations

import shutil

from tests.unit.cli.commands.tiny import Tiny


def test_epochs_are_listed_and_no_key_is_shown(tiny: Tiny) -> None:
    out, err = tiny.say("keys", "status", "--json")
    found = tiny.call("keys", "status")
    assert [one["status"] for one in found["epochs"]] == ["live"]
    assert len(found["installation"]) == 16
    for path in (tiny.state / "keys").rglob("*"):
        if path.is_file() and path.stat().st_size:
            assert path.read_bytes().hex() not in out + err


def test_without_a_state_folder_nothing_is_made(tiny: Tiny) -> None:
    other = tiny.folder / "other"
    assert tiny.call("keys", "status", "--state", str(other)) == {
        "epochs": [],
        "installation": None,
    }
    assert not other.exists()


def test_a_state_that_does_not_fit_the_lake_is_adopted_on_request_alone(tiny: Tiny) -> None:
    before = tiny.call("keys", "status")["installation"]
    shutil.rmtree(tiny.state)
    assert "installation" in tiny.refused("erase", tiny.account, code=4)
    done = tiny.call("keys", "adopt")
    assert done["before"] == [before] != [done["installation"]]
    assert tiny.call("erase", tiny.account)["unknown"] == 1
    (receipt,) = tiny.call("receipts", "list")["receipts"]
    assert (receipt["kind"], receipt["before"]) == ("adopt", [before])
