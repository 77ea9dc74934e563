"""`telemetry reference`: pages are written where they are out of date, or found to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main

PAGES = ["cli.md", "configuration.md", "dictionary.md", "metrics.md", "telemetry.schema.json"]


def test_only_what_is_out_of_date_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def written() -> list[str]:
        assert main(["reference", str(tmp_path), "--json"]) == 0
        found: list[str] = json.loads(capsys.readouterr().out)["written"]
        return found

    assert written() == PAGES
    assert written() == []
    (tmp_path / "cli.md").write_text("by hand")
    assert main(["reference", str(tmp_path), "--check"]) == 2
    assert "cli.md" in capsys.readouterr().err
    assert (tmp_path / "cli.md").read_text() == "by hand"
    assert written() == ["cli.md"]
