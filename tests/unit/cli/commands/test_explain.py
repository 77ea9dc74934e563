"""Every error code that the program can print is explained offline."""

from __future__ import annotations

import json

import pytest

from pipeline import errors
from pipeline.cli.commands.explain import error_pages
from pipeline.cli.main import main
from pipeline.errors import TelemetryError

EXITS = {
    kind.page: kind.exit_code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, TelemetryError)
}
CODES = sorted(EXITS)


def test_the_pages_are_those_of_the_errors() -> None:
    assert sorted(error_pages()) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_explained_with_its_exit_code(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", code]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{code}\n\n")
    assert f"Exit code {EXITS[code]}" in told


def test_a_code_may_be_copied_with_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "error[lake]:", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "lake"


def test_without_a_code_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["codes"]) == CODES


def test_an_unknown_code_is_invalid_usage_and_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "somebody@example.com"]) == 2
    assert "somebody" not in capsys.readouterr().err
