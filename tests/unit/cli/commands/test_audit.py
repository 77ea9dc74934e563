"""`telemetry audit`: exit code, document and report; the proofs have tests of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.commands.audit import read_canaries
from pipeline.errors import UsageError
from tests.unit.cli.commands.tiny import Tiny


def test_what_nobody_wrote_breaks_a_promise_and_is_in_the_report(tiny: Tiny) -> None:
    (tiny.lake / "events" / "api_request" / "notes.txt").write_text("copied by hand")
    report = tiny.folder / "audit.html"
    out, err = tiny.say("audit", "--html", str(report), code=1)
    assert "notes.txt" in out
    assert "Broken: " in out
    assert f"Report: {report}" in err
    assert "notes.txt" in report.read_text("utf-8")


def test_without_keys_there_is_nothing_to_audit(tiny: Tiny, tmp_path: Path) -> None:
    said = tiny.refused("audit", "--state", str(tmp_path / "other"), code=3)
    assert "no installation to audit" in said
    assert not (tmp_path / "other").exists()


def test_an_identifier_that_would_be_found_by_chance_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "canaries"
    file.write_text("somebody@example.com\n\nlong-enough\n")
    assert read_canaries(file) == ["somebody@example.com", "long-enough"]
    file.write_text("somebody@example.com\nshort\n")
    with pytest.raises(UsageError, match="fewer than 8"):
        read_canaries(file)
