"""`telemetry version` says what `--version` says."""

from __future__ import annotations

import json
import sys

import pytest

from pipeline import __version__, native
from pipeline.cli.main import main


def test_the_command_and_the_option_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    said = capsys.readouterr().out
    assert main(["--version"]) == 0
    short = capsys.readouterr().out
    assert short == f"telemetry, version {__version__}\n"
    assert said.startswith(short)


def test_a_program_reads_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"version": __version__, "decoder": native.running()}


def test_it_says_which_decoder_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.SWITCH, "off")
    assert main(["version"]) == 0
    assert "decoder: Python (TELEMETRY_KERNEL=off)" in capsys.readouterr().out
    monkeypatch.setenv(native.SWITCH, "")
    monkeypatch.setitem(sys.modules, "pipeline.kernel", None)
    assert main(["version"]) == 0
    assert "decoder: Python (the native kernel is not built)" in capsys.readouterr().out
