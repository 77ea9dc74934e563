"""`telemetry doctor`: each check fails where something is wrong, and says what repairs it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.cli.commands.tiny import Tiny


def checks(tiny: Tiny, *words: str, code: int = 0) -> dict[str, dict[str, Any]]:
    out, _ = tiny.say("doctor", "--json", *words, code=code)
    document = json.loads(out)
    assert document["ok"] is (code == 0)
    return {one["name"]: one for one in document["checks"]}


def test_an_installation_in_order_fails_nowhere(tiny: Tiny) -> None:
    found = checks(tiny)
    assert {one["state"] for one in found.values()} <= {"ok", "warn"}
    assert found["lake"]["detail"] == "every file that a log names is there"
    assert found["source api"]["detail"] == "1 file of api_request"
    assert found["installation"]["detail"] == "1 table, written with these keys"


def test_a_file_that_a_log_names_and_that_is_gone_fails(tiny: Tiny) -> None:
    next((tiny.lake / "events").rglob("*.parquet")).unlink()
    found = checks(tiny, code=3)
    assert found["lake"]["state"] == "fail"
    assert "backup" in found["lake"]["remedy"]


def test_a_state_folder_that_others_may_read_fails(tiny: Tiny) -> None:
    tiny.state.chmod(0o755)
    found = checks(tiny, code=3)
    assert (found["state"]["state"], found["state"]["remedy"]) == (
        "fail",
        f"chmod 0700 {tiny.state}",
    )


def test_a_state_folder_inside_the_lake_fails(tiny: Tiny) -> None:
    inside = tiny.lake / "state"
    tiny.state.rename(inside)
    found = checks(tiny, "--state", str(inside), code=3)
    assert "inside the lake" in found["state"]["detail"]


def test_a_key_that_is_gone_fails_and_the_other_checks_go_on(tiny: Tiny) -> None:
    next((tiny.state / "keys").glob("epoch-*.key")).unlink()
    found = checks(tiny, code=3)
    assert found["keys"]["state"] == "fail"
    assert found["clock"]["state"] == "ok"


def test_a_country_database_that_knows_no_real_address_is_a_warning(tiny: Tiny) -> None:
    assert checks(tiny)["countries"]["state"] == "warn"


def test_an_input_that_is_gone_fails(tiny: Tiny) -> None:
    (tiny.folder / "in.ndjson").unlink()
    assert checks(tiny, code=3)["sources"]["state"] == "fail"
