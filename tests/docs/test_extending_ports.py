"""The recipes of docs/extending-ports.md, followed in a copy of the package: a folder and a line.

The copy gets the folders of `recipes/` and the lines that the document shows, and nothing else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.sources import ROOT

TEXT = (ROOT / "docs" / "extending-ports.md").read_text("utf-8")
RECIPES = Path(__file__).parent / "recipes"
NOW = "2026-11-24T12:00:00Z"
LINES = re.findall(r"<!-- (pipeline/io/\w+\.py) -->\n```python\n(.*?)\n(.*?)\n```", TEXT, re.S)
"""A registry's file, the import that it gets, and its line."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as the recipes leave it."""
    home = tmp_path_factory.mktemp("extended")
    shutil.copytree(
        ROOT / "pipeline", home / "pipeline", ignore=shutil.ignore_patterns("__pycache__")
    )
    for recipe in ("outbox", "folder_keys"):
        shutil.copytree(RECIPES / recipe, home / "pipeline" / "io" / recipe)
    assert len(LINES) == 2
    for file, imported, line in LINES:
        path = home / file
        text = path.read_text("utf-8")
        text = text.replace("\nfrom pipeline.", f"\n{imported}\nfrom pipeline.", 1)
        text = re.sub(r"(\nKINDS: .*? = )\((.*?),?\s*\)\n", rf"\1(\2, {line})\n", text, flags=re.S)
        path.write_text(text, "utf-8")
    return home


def telemetry(package: Path, folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words, "--now", NOW],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def outbox(path: Path, rows: int) -> None:
    event = {"event": "session", "version": 1, "started_at": "2026-11-24T10:00:00Z"}
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE outbox(id INTEGER PRIMARY KEY, body BLOB)")
        database.executemany(
            "INSERT INTO outbox(body) VALUES (?)",
            [
                (json.dumps({**event, "event_id": f"e{n}", "session_id": f"s{n}"}).encode(),)
                for n in range(rows)
            ],
        )


def test_a_source_takes_its_folder_and_a_line(package: Path, tmp_path: Path) -> None:
    outbox(tmp_path / "app.db", 30)
    words = ("--lake", "lake", "--state", "state", "--json")
    given = ("run", "--outbox", "app.db", "--event", "session", "--once", *words)
    assert json.loads(telemetry(package, tmp_path, *given))["written"] == 30
    (tmp_path / "telemetry.toml").write_text(
        '[sources.orders]\nevent = "session"\noutbox = "app.db"\n'
    )
    again = json.loads(telemetry(package, tmp_path, "run", "--once", *words))
    assert (again["read"], again["written"]) == (0, 0)
    told = json.loads(telemetry(package, tmp_path, "audit", *words))
    assert told["broken"] == []


def test_a_store_for_keys_takes_its_folder_and_a_line(package: Path, tmp_path: Path) -> None:
    reference = f"folder:{tmp_path / 'elsewhere'}"
    (tmp_path / "telemetry.toml").write_text(f'[state]\npath = "state"\nkeys = "{reference}"\n')
    telemetry(package, tmp_path, "optout", "add", "acct-1", "--lake", "lake")
    assert (tmp_path / "elsewhere" / "index.json").exists()
    assert not (tmp_path / "state" / "keys").exists()
