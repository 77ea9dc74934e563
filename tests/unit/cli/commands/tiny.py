"""A small lake that the commands have made, and a way to call further commands on a copy of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main

NOW = "2026-11-24T12:00:00Z"
SETTINGS = """
[lake]
path = "lake"
[state]
path = "state"
[sources.api]
event = "api_request"
files = ["in.ndjson"]
"""


class Tiny:
    """A folder with settings, an input, a lake and a state; failures repeat no account."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.lake, self.state = folder / "lake", folder / "state"
        lines = (folder / "in.ndjson").read_text("utf-8").splitlines()
        accounts = Counter(json.loads(line).get("account_id") for line in lines)
        del accounts[None]
        self.account, self.rows = accounts.most_common(1)[0]
        """The busiest account, and how many rows it has."""

    def write(self, text: str) -> None:
        """Add to the settings."""
        with (self.folder / "telemetry.toml").open("a", encoding="utf-8") as file:
            file.write(text)

    def say(self, *words: str, code: int = 0, now: str = NOW) -> tuple[str, str]:
        """Run a command and return what it printed on both streams."""
        config = str(self.folder / "telemetry.toml")
        assert main([*words, "--now", now, "--config", config]) == code
        told = self.capsys.readouterr()
        assert self.account not in told.out + told.err
        return told.out, told.err

    def call(self, *words: str, now: str = NOW) -> Any:
        """Run a command that succeeds and return its document."""
        return json.loads(self.say(*words, "--json", now=now)[0])

    def refused(self, *words: str, code: int, now: str = NOW) -> str:
        """Run a command that fails and return what went wrong."""
        out, err = self.say(*words, "--json", code=code, now=now)
        assert out == ""
        error = json.loads(err)["error"]
        return " ".join(str(part) for part in error.values())


def make(folder: Path) -> None:
    """Generate three days of requests, and take them into a lake."""
    (folder / "telemetry.toml").write_text(SETTINGS)
    words = ["generate", "--event", "api_request", "--events", "1500", "--days", "3"]
    assert main([*words, "--awkward", "0", "--out", str(folder / "in.ndjson"), "--now", NOW]) == 0
    run = ["run", "--once", "--config", str(folder / "telemetry.toml"), "--now", NOW, "--backfill"]
    assert main([*run, "--quiet"]) == 0
