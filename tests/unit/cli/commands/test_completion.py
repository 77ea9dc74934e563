"""`telemetry completion`: a script for each shell, and where to put it."""

from __future__ import annotations

import json

import pytest

from pipeline.cli.main import main


@pytest.mark.parametrize(
    ("shell", "says"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_every_shell_gets_its_own_script(
    shell: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["shell"] == shell
    assert says in document["script"]
    assert f"telemetry completion {shell}" in document["install"]
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == document["script"] + "\n"


def test_another_shell_is_invalid_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash, fish or zsh" in capsys.readouterr().err
