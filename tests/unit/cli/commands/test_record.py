"""`telemetry record`: the record goes to standard output, from the settings in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main

SETTINGS = """
[lake]
path = "{folder}/lake"
[privacy]
retention_days = 30
[sources.web]
format = "nginx_combined"
files = ["{folder}/*.log"]
"""


def test_the_settings_are_in_the_record(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    settings = tmp_path / "telemetry.toml"
    settings.write_text(SETTINGS.format(folder=tmp_path), "utf-8")
    assert main(["record", "--config", str(settings)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# Record of processing activities")
    assert f"{tmp_path}/lake" in text
    assert "gone within 30 days" in text
    assert "- Source: `api_request` from files" in text


def test_a_program_gets_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--now", "2026-11-30T00:00:00Z"]) == 0
    text = capsys.readouterr().out
    assert main(["record", "--now", "2026-11-30T00:00:00Z", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"record": text}
