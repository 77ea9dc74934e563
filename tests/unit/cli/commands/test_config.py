"""`telemetry config`: values with their origins, every problem, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main

SECRET = "hunter2-canary"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROKER_PASSWORD", SECRET)
    (tmp_path / "in.ndjson").write_text("{}\n")
    (tmp_path / "telemetry.toml").write_text(
        '[lake]\npath = "lake"\n[lake.storage]\nendpoint = "https://me:hunter2-canary@host/"\n'
        '[kafka]\npassword = "env:BROKER_PASSWORD"\n'
        '[sources.api]\nevent = "api_request"\nfiles = ["in.ndjson"]\n'
    )
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, str | None]]:
    assert main(["config", "show", "--json", *words]) == 0
    found: dict[str, dict[str, str | None]] = json.loads(capsys.readouterr().out)["settings"]
    return found


def test_every_value_has_its_origin(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEMETRY_FLUSH_INTERVAL", "30s")
    settings = shown(capsys, "--state", "mine")
    assert settings["lake.path"] == {"value": "lake", "origin": "telemetry.toml:2"}
    assert settings["state.path"] == {"value": "mine", "origin": "flag --state"}
    assert settings["flush.interval"] == {
        "value": "30s",
        "origin": "environment TELEMETRY_FLUSH_INTERVAL",
    }
    assert settings["privacy.epoch"] == {"value": "4weeks", "origin": "default"}
    assert settings["privacy.ipv4_bits"] == {"value": None, "origin": "default"}
    assert settings["sources.api.event"]["origin"] == "telemetry.toml:8"


def test_only_what_is_not_the_default_on_request(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(shown(capsys, "--changed")) == {
        *("lake.path", "lake.storage", "kafka.password"),
        *("sources.api.event", "sources.api.files"),
    }


@pytest.mark.parametrize("words", [["show"], ["show", "--json"], ["validate"]])
def test_no_secret_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["config", *words]) == 0
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    assert "BROKER_PASSWORD" not in printed.out + printed.err


def test_valid_settings_exit_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "validate"]) == 0
    assert capsys.readouterr().out == "telemetry.toml: valid, 5 settings given\n"
    assert sorted(path.name for path in folder.iterdir()) == ["in.ndjson", "telemetry.toml"]


def test_every_problem_is_listed_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BROKER_PASSWORD")
    (folder / "in.ndjson").unlink()
    with (folder / "telemetry.toml").open("a") as file:
        file.write(
            '[geo]\ndatabase = "none.mmdb"\n[privacy]\nepoc = "day"\n'
            '[sources.b]\nevent = "sesion"\nfiles = ["."]\n'
            '[sources.c]\nformat = "nginx-json"\nfiles = ["."]\n'
        )
    assert main(["config", "validate", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert not document["valid"]
    assert [problem["where"] for problem in document["problems"]] == [
        "telemetry.toml:13: privacy.epoc",
        "geo.database: none.mmdb",
        "sources.b.event",
        "sources.c.format",
        "in.ndjson",
        "kafka.password",
    ]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "telemetry.toml"
