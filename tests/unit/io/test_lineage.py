"""Events are handed over or left: nothing of lineage ends a command."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.io.lineage import append_to, send_to


def test_lines_are_added(tmp_path: Path) -> None:
    append_to(tmp_path / "a", {"x": 1})
    append_to(tmp_path / "a", {"x": 2})
    lines = (tmp_path / "a").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"x": 1}, {"x": 2}]


def test_what_cannot_be_written_or_sent_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="pipeline.io.lineage")
    append_to(tmp_path / "no" / "a", {})
    send_to("http://127.0.0.1:1/", None, {})

    def missing() -> str:
        raise SettingsError("there is no secret")

    send_to("http://127.0.0.1:1/", missing, {})
    told = [record.getMessage() for record in caplog.records if record.name.endswith("lineage")]
    assert ["FileNotFoundError" in told[0], "not answer" in told[1], "no secret" in told[2]] == [
        True
    ] * 3
