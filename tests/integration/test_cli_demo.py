"""The demo: whole, believable, repeatable, and clean at the end."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.demo.awkward import CANARIES
from tests.rules.sources import ROOT

NOW = "2026-11-24T12:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def demo(folder: Path) -> dict[str, Any]:
    """The JSON document of a demo in a process of its own."""
    words = ["demo", "--dir", str(folder), "--events", "20000", "--days", "35", "--no-open"]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words, "--now", NOW, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_demo_goes_the_whole_way(demo: dict[str, Any], folder: Path) -> None:
    assert demo["run"]["read"] == 20_000
    assert demo["run"]["written"] > 19_000
    assert demo["run"]["dropped"]["opt_out"] > 0
    assert len(demo["run"]["rejected"]) > 12
    assert demo["status"]["lag_bytes"] == 0
    days = demo["status"]["tables"]["api_request"]["days"]
    assert len(days) == 36
    assert {path.name for path in folder.iterdir()} >= {"input", "lake", "state", "telemetry.toml"}


def test_what_was_taken_in_has_a_history(demo: dict[str, Any], folder: Path) -> None:
    assert demo["expire"]["rows"] > 0
    metrics = folder / "dashboard" / "metrics"
    found = {
        name: json.loads((metrics / f"{name}.json").read_text("utf-8"))
        for name in ("completeness", "rejected", "dropped", "opt_out_rate", "late")
    }
    days = {name: {row["time"][:10] for row in rows} for name, rows in found.items()}
    assert len(days["completeness"]) == len(days["opt_out_rate"]) == 29
    assert {row["value"] for row in found["completeness"]} == {1.0}
    assert len(days["rejected"]) > 12
    assert len(days["dropped"]) > 8
    assert len(days["late"]) > 10
    assert min(days["completeness"]) == min(path.stem for path in (folder / "input").glob("*/*"))


def test_every_question_has_an_answer(demo: dict[str, Any]) -> None:
    for question in demo["questions"]:
        assert question["sql"].upper().startswith("SELECT")
    slow, _, _, connections = demo["questions"]
    assert slow["rows"][0]["p95_ms"] > slow["rows"][-1]["p95_ms"]
    assert {row["connection_type"] for row in connections["rows"]} == {
        "wifi",
        "ethernet",
        "4g",
        "5g",
    }


def test_the_scan_found_nothing_and_had_something_to_find(
    demo: dict[str, Any], folder: Path
) -> None:
    scan = demo["scan"]
    rejected = sum(demo["run"]["rejected"].values()) - demo["expire"]["rows"]
    assert scan["rows"] == demo["run"]["written"] + rejected
    assert scan["findings"] == scan["canaries_in_output"] == 0
    assert scan["canaries_in_input"] > 100
    raw = b"".join(path.read_bytes() for path in (folder / "input").rglob("*.ndjson"))
    assert all(canary.encode() in raw for canary in CANARIES)


def test_an_earlier_demo_is_replaced_and_anything_else_is_not_touched(
    demo: dict[str, Any], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.cli.commands.demo import prepare

    copy = tmp_path / "mine"
    copy.mkdir()
    (copy / "thesis.txt").write_text("precious")
    assert main(["demo", "--dir", str(copy)]) == 2
    assert [path.name for path in copy.iterdir()] == ["thesis.txt"]
    again = tmp_path / "again"
    prepare(again)
    (again / "lake").mkdir()
    (again / "lake" / "old").touch()
    (again / "notes.txt").write_text("kept")
    prepare(again)
    assert not (again / "lake").exists()
    assert (again / "notes.txt").exists()
    capsys.readouterr()


def test_the_settings_that_it_leaves_work_for_every_command(
    demo: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = str(folder / "telemetry.toml")
    assert main(["status", "--config", settings, "--now", NOW]) == 0
    assert "api_request" in capsys.readouterr().out
    query = "SELECT count(*) AS n FROM session"
    assert main(["sql", query, "--config", settings, "--now", NOW, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["n"] == demo["status"]["tables"]["session"]["rows"]


def test_a_leak_in_the_lake_fails_the_scan(demo: dict[str, Any], folder: Path) -> None:
    from pipeline.cli.declared import load_settings
    from pipeline.cli.demo.scene import Demo
    from pipeline.cli.demo.steps import scan
    from pipeline.cli.frame.options import Invocation
    from pipeline.cli.frame.output import Output
    from pipeline.errors import PrivacyGateClosed

    settings = load_settings(folder / "telemetry.toml", environ={})
    call = Invocation(Output(json=True), settings, fixed_now=datetime.fromisoformat(NOW))
    planted = folder / "state" / "planted.log"
    planted.write_text(CANARIES[0].upper())
    try:
        with pytest.raises(PrivacyGateClosed) as closed:
            scan(Demo(call, folder, 35, 20_000, 1))
    finally:
        planted.unlink()
    assert closed.value.where == "state/planted.log: a file that no rule names"
    assert CANARIES[0].upper() not in str(closed.value)
