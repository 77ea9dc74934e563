"""`telemetry help` shows what `--help` shows, at every depth."""

from __future__ import annotations

import pytest

from pipeline.cli.main import main


@pytest.mark.parametrize("words", [[], ["run"], ["optout"], ["optout", "add"]], ids=" ".join)
def test_the_text_is_that_of_the_option(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    expected = capsys.readouterr().out
    assert main(["help", *words]) == 0
    assert capsys.readouterr().out.split() == expected.split()


@pytest.mark.parametrize("words", [["runn"], ["optout", "ad"], ["run", "more"]], ids=" ".join)
def test_a_command_that_does_not_exist_is_invalid_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "--help" in told.err
