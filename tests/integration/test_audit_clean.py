"""An audit finds nothing where nothing is wrong: after a first expiry.

The sound installations of `test_audit`, `test_audit_breaches` and `test_encryption` are the others:
sealed, erased, restricted, exported, published, encrypted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from tests.integration.test_audit import NOW, accounts_of
from tests.rules.sources import ROOT

LATER = "2027-02-16T12:00:00Z"
"""The first days of the demo are to go, the others stay."""


class Installation:
    """Commands with the settings of one folder."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self._capsys = config, capsys

    def run(self, *words: str, now: str = NOW) -> dict[str, Any]:
        """Run a command, which succeeds; what it answers."""
        self._capsys.readouterr()
        code = main([*words, "--config", str(self.config), "--now", now, "--json"])
        out, err = self._capsys.readouterr()
        assert code == 0, (words, out, err)
        answer: dict[str, Any] = json.loads(out)
        return answer

    def live(self, accounts: list[str]) -> None:
        """Everything that leaves a trace in a lake."""
        self.run("erase", accounts[0], "--apply")
        self.run("restrict", accounts[1])
        self.run("optout", "add", accounts[2])
        self.run("requests", "work")
        self.run("seal")
        self.run("rollup")
        self.run("erase", accounts[3], "--apply")
        self.run("rollup")

    def findings(self, now: str = NOW) -> dict[str, list[str]]:
        """What an audit finds, by check."""
        report = self.run("audit", now=now)
        assert report["broken"] == []
        return {
            check["check"]: check["evidence"]
            for promise in report["promises"]
            for check in promise["checks"]
            if check["verdict"] == "broken"
        } | {
            "recomputed": [
                check["detail"]
                for promise in report["promises"]
                for check in promise["checks"]
                if check["check"] == "figures_recomputed"
            ]
        }


def demo(folder: Path, days: int) -> Path:
    words = ["demo", "--dir", str(folder), "--events", "3000", "--days", str(days), "--now", NOW]
    command = [sys.executable, "-m", "pipeline.cli", *words, "--no-open", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_nothing_is_found_after_the_first_days_have_expired(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = demo(tmp_path / "demo", 12)
    place = Installation(folder / "telemetry.toml", capsys)
    place.live(accounts_of(folder)[6:10])
    plan = place.run("expire", now=LATER)
    days = {one["date"] for one in plan["partitions"] if one["table"].startswith("events/")}
    assert days
    assert "2026-11-23" not in str(days)
    acknowledged = [word for name in ("partitions", "rows") for word in ("--acknowledge", name)]
    place.run("expire", "--apply", plan["hash"], *acknowledged, now=LATER)
    place.run("requests", "work", now=LATER)
    (said,) = place.findings(LATER)["recomputed"]
    assert not said.endswith(" 0 of rows that have expired")
