"""`telemetry generate`: to a file or to standard output, equal bytes, clear failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.main import main
from tests.rules.sources import ROOT

NOW = ["--now", "2026-11-24T12:00:00Z"]


def test_the_file_and_standard_output_hold_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "deep" / "s.ndjson"
    words = ["generate", "--event", "session", "--events", "500", *NOW]
    assert main([*words, "--out", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["bytes"] == file.stat().st_size
    assert said["events"] == 500
    for out in ([], ["--out", "-"]):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *words, *out],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        assert done.stdout == file.read_bytes()
    assert [path.name for path in file.parent.iterdir()] == ["s.ndjson"]


def test_a_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.ndjson"
    file.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    words = ["generate", "--event", "session", "--events", "10", "--out", str(file), "--json"]
    assert main(words) == 3
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "environment"
    assert "no space left" in error["why"]
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["s.ndjson"]


@pytest.mark.parametrize(
    "words",
    [
        ["--events", "0"],
        ["--awkward", "0.9"],
        ["--days", "0"],
        ["--seed", "-1"],
        ["--now", "2026-02-30T12:00:00Z"],
        ["--event", "sessions"],
    ],
    ids=str,
)
def test_words_out_of_range_are_usage_errors(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "--event", "session", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "expected" in told.err
