"""The tutorials are followed to the letter: each block of shell, in order, in an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import log
from tests.docs.examples import BLOCK
from tests.docs.tables import ROOT

TUTORIALS = ROOT / "docs" / "tutorials"


def follow(name: str, place: Path, **variables: str) -> list[str]:
    """Run a tutorial with these environment variables; what each of its blocks printed."""
    programs = Path(sys.executable).parent
    environ = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        **variables,
    }
    told: list[str] = []
    for block in BLOCK.finditer((TUTORIALS / name).read_text("utf-8")):
        if block["language"] == "text":
            assert block["text"] in told[-1], "the tutorial shows another output"
        if block["language"] != "sh":
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block["text"]],
            cwd=place,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, f"{block['text']}\n{done.stdout}\n{done.stderr}"
        told.append(done.stdout)
    return told


def reads(told: list[str]) -> list[int]:
    """How many messages each run of a tutorial read."""
    lines = [line.split() for text in told for line in text.splitlines()]
    return [int(words[1].replace(",", "")) for words in lines if words[:1] == ["read"]]


def test_an_event_of_ones_own_is_stored_counted_and_shown(tmp_path: Path) -> None:
    told = follow("own-event.md", tmp_path)
    assert "No promise is broken" in told[-1]
    (published,) = json.loads((tmp_path / "dashboard/metrics/checkouts.json").read_text())
    assert abs(published["value"] - 900) < 200
    page = (tmp_path / "dashboard/index.html").read_text("utf-8")
    assert '"latency p95","checkouts"]' in page
    assert "ann@example.com" not in page
    assert not any(
        b"ann@example.com" in path.read_bytes()
        for folder in ("lake", "state", "dashboard")
        for path in (tmp_path / folder).rglob("*")
        if path.is_file()
    )


def test_files_are_read_once_also_after_they_were_renamed(tmp_path: Path) -> None:
    told = follow("files.md", tmp_path)
    assert reads(told) == [2000, 0, 500]


def test_an_nginx_log_becomes_what_the_tutorial_shows(tmp_path: Path) -> None:
    shown = log.PLACE.search((TUTORIALS / "nginx.md").read_text("utf-8"))
    assert shown is not None
    printed = log.run_commands(tmp_path)
    assert untimed(printed) == untimed(shown[0].partition("```text\n")[2].removesuffix("```"))
    made = [tmp_path / "telemetry.toml", *(tmp_path / "catalogue").iterdir()]
    assert "jane" in (tmp_path / "access.log").read_text("utf-8")
    assert not any("jane" in path.read_text("utf-8") for path in made)
    stored = [path for name in ("lake", "state") for path in (tmp_path / name).rglob("*")]
    assert not any(b"jane" in path.read_bytes() for path in stored if path.is_file())


def untimed(text: str) -> list[str]:
    """All lines but that of how long a run took, and how many days it fell on."""
    return [line for line in text.splitlines() if " events/s" not in line]


@pytest.mark.parametrize("path", sorted(TUTORIALS.glob("*.md")), ids=lambda path: path.name)
def test_every_tutorial_is_followed(path: Path) -> None:
    followers = [Path(__file__), *(ROOT / "tests" / "integration").rglob("test_*.py")]
    assert any(f'"{path.name}"' in one.read_text("utf-8") for one in followers)
