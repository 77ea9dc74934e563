"""`telemetry init` writes what was not there, and shows counts and declared names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.cli.main import main
from pipeline.io.files.source import FileSourceSettings
from tests.formats.files import file_of
from tests.formats.requests import CANARY

NOW = "2026-12-05T12:00:00Z"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = file_of("nginx_combined", 200, malformed=0.02).lines
    (tmp_path / "access.log").write_bytes(b"".join(line + b"\n" for line in lines))
    return tmp_path


def test_settings_and_catalogue_are_written_and_load(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "access.log", "--lake", "elsewhere", "--now", NOW]) == 0
    told = capsys.readouterr()
    settings = load_settings(folder / "telemetry.toml", environ={})
    assert settings.lake.path == str(folder / "elsewhere")
    source = settings.sources["nginx_combined"]
    assert isinstance(source, FileSourceSettings)
    assert source.files == (str(folder / "access.log"),)
    assert main(["config", "validate"]) == 0
    assert "next: telemetry run --once --backfill\n" in told.out
    assert "access.log: nginx_combined, event api_request" in told.out
    texts = [path.read_text() for path in folder.rglob("*.yaml")]
    texts += [(folder / "telemetry.toml").read_text(), told.out, told.err]
    assert CANARY in (folder / "access.log").read_text()
    assert not any(CANARY in text for text in texts)


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("telemetry.toml", "catalogue"):
        (folder / name).write_text("mine")
        assert main(["init", "access.log", "--json"]) == 3
        assert json.loads(capsys.readouterr().err)["error"]["where"] == name
        assert sorted(path.name for path in folder.iterdir()) == sorted(["access.log", name])
        assert (folder / name).read_text() == "mine"
        (folder / name).unlink()


def test_another_place_is_named_by_config(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "access.log", "--config", "conf/telemetry.toml", "--now", NOW, "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["next"] == "telemetry run --once --config conf/telemetry.toml --backfill"
    (source,) = told["sources"]
    assert source["read"] == source["kept"] + sum(source["rejected"].values()) + sum(
        source["dropped"].values()
    )
    assert source["kept_with_backfill"] == source["kept"]
    settings = load_settings(folder / "conf/telemetry.toml", environ={})
    found = settings.sources["nginx_combined"]
    assert isinstance(found, FileSourceSettings)
    assert found.files[0].endswith("access.log")
    assert (folder / "conf/catalogue/routes.yaml").exists()


def test_an_event_of_ones_own_is_begun(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--own-event", "checkout"]) == 0
    assert main(["schema", "explain", "checkout"]) == 0
    assert (folder / "schemas/checkout/v1.yaml").exists()
    for name in ("session", "Check-Out"):
        assert main(["init", "--own-event", name, "--config", "b/telemetry.toml"]) == 2
    assert "Check-Out" not in capsys.readouterr().err


def test_what_cannot_be_recognized_leaves_nothing_behind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.log").write_text(f"{CANARY}\n" * 50)
    assert main(["init", "other.log"]) == 3
    assert main(["init", "access.log", "--envelope", "cri"]) == 2
    assert CANARY not in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["access.log", "other.log"]
