"""`telemetry demo`: its folder is its own, and nothing of anybody else's is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.commands.demo import prepare
from pipeline.cli.declared import load_settings
from pipeline.cli.main import main


def test_the_settings_of_a_demo_load_and_name_every_event(tmp_path: Path) -> None:
    settings = load_settings(prepare(tmp_path / "d"), environ={})
    assert settings.lake.path == str(tmp_path / "d" / "lake")
    assert {name: source.event for name, source in settings.sources.items()} == {
        name: name for name in ("api_request", "session", "feature_use", "error_log")
    }


def test_an_earlier_demo_is_replaced_and_what_is_beside_it_stays(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name in ("lake", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "telemetry.toml"]
    assert (tmp_path / "notes" / "file").exists()


@pytest.mark.parametrize("settings", [None, '[lake]\npath = "lake"\n'])
def test_a_folder_that_holds_no_demo_is_left_alone(
    settings: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "rows").write_text("mine")
    if settings is not None:
        (tmp_path / "telemetry.toml").write_text(settings)
    assert main(["demo", "--dir", str(tmp_path), "--no-open"]) == 2
    assert "not a demo" in capsys.readouterr().err
    assert (tmp_path / "lake" / "rows").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--dir", str(tmp_path / "file" / "d"), "--no-open"]) == 3
    assert "--dir" in capsys.readouterr().err
