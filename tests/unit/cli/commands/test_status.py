"""`telemetry status` without a lake: an error, not zeros; and nothing is made by asking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main


@pytest.mark.parametrize("made", [False, True])
def test_without_a_lake_the_environment_is_not_ready(
    made: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, state = tmp_path / "lake", tmp_path / "state"
    if made:
        lake.mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert main(["status", "--lake", str(lake), "--state", str(state), "--json"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["error"]["what"] == "There is no lake here"
    assert sorted(tmp_path.rglob("*")) == before


def test_of_a_source_of_many_files_those_that_were_read_are_one_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(6):
        words = ["generate", "--event", "session", "--events", "3", "--seed", str(number)]
        assert main([*words, "--out", f"in/{number}.ndjson"]) == 0
    settings = '[lake]\npath = "lake"\n[state]\npath = "state"\n[sources.session]\n'
    Path("telemetry.toml").write_text(settings + 'event = "session"\nfiles = ["in"]\n')
    assert main(["run", "--once", "--config", "telemetry.toml"]) == 0
    more = Path("in/0.ndjson").read_text("utf-8") + '{"more": 1}\n'
    Path("in/0.ndjson").write_text(more, "utf-8")
    capsys.readouterr()
    assert main(["status", "--config", "telemetry.toml"]) == 0
    told = capsys.readouterr().out
    assert "5 files, read to the end" in told
    assert "in/0.ndjson" in told
    assert "in/1.ndjson" not in told
