"""`telemetry seal`: closed days become one file each, once; quiet tables are looked after, too."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.cli.main import main
from pipeline.io.lake.lake import Lake
from pipeline.ops.retention import joining
from tests.unit.cli.commands.tiny import Tiny
from tests.unit.io.lakes import EVENT, passed_over, table_of


def test_closed_days_are_sealed_once_and_today_is_not(tiny: Tiny) -> None:
    days = tiny.call("seal")["days"]
    assert [day["date"] for day in days] == ["2026-11-21", "2026-11-22", "2026-11-23"]
    assert {day["files_after"] for day in days} == {1}
    assert tiny.call("sql", "SELECT count(*) AS n FROM api_request") == [{"n": 1500}]
    assert tiny.call("seal")["days"] == []
    assert "Nothing to seal" in tiny.say("seal")[0]


def test_a_day_that_is_named_is_sealed_alone(tiny: Tiny) -> None:
    days = tiny.call("seal", "--date", "2026-11-22")["days"]
    assert [day["date"] for day in days] == ["2026-11-22"]


def test_logs_of_quiet_tables_are_shortened_too(tmp_path: Path) -> None:
    """Nothing is refused and nobody is restricted for weeks, and no old entry stays for that."""
    root, state = tmp_path / "lake", tmp_path / "state"
    lake = Lake(str(root), state=state)
    table_of(lake).commit(passed_over(0, 6))
    lake.rejections().log.ensure()
    lake.restricted(EVENT).log.ensure()
    lake.close()
    hints = [
        root / table / "_delta_log" / "_last_checkpoint"
        for table in (f"events/{EVENT}", f"restricted/{EVENT}", "rejections")
    ]
    assert not any(hint.exists() for hint in hints)
    where = ["--lake", str(root), "--state", str(state), "--now", "2026-11-24T12:30:00Z"]
    assert main(["seal", *where, "--quiet"]) == 0
    assert all(hint.exists() for hint in hints)


def test_files_of_today_are_joined_and_an_audit_finds_nothing(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny.folder / "in.ndjson"
    later = [json.loads(line) for line in source.read_text("utf-8").splitlines()[-300:]]
    with source.open("a", encoding="utf-8") as file:
        for line in later:
            file.write(json.dumps({**line, "event_id": str(uuid4())}) + "\n")
    tiny.call("run", "--once")
    rows = tiny.call("sql", "SELECT count(*) AS n FROM api_request")
    monkeypatch.setattr(joining, "ENOUGH", 2)
    monkeypatch.setattr(joining, "REST", timedelta(days=-3650))  # written by the machine's clock
    (today,) = tiny.call("seal", "--date", "2026-11-24")["days"]
    assert (today["seal"], today["files_before"], today["files_after"]) == ("part", 2, 1)
    assert tiny.call("sql", "SELECT count(*) AS n FROM api_request") == rows
    report = tiny.call("audit")
    assert report["broken"] == []
    checks = [check for promise in report["promises"] for check in promise["checks"]]
    assert [check for check in checks if check["verdict"] == "broken"] == []
