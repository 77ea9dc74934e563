"""Every `telemetry ...` that a document names exists, with its options; blocks are run by tests."""

from __future__ import annotations

import gzip
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from pipeline.cli.main import telemetry
from tests.docs.examples import BLOCK, MADE, Example, examples
from tests.docs.log import write_log
from tests.docs.tables import ROOT, documents
from tests.formats.requests import requests
from tests.formats.writers import nginx_json

SPAN = re.compile(r"(?<!`)`(telemetry [^`]+)`(?!`)")
LINE = re.compile(r"^\s*(?:\$ )?(telemetry [^|>&#\n]+)", re.M)
SHELL = ("sh", "console", "bash", "text")
PAGES = [*documents(), *sorted((ROOT / "deploy").rglob("*.md")), *ROOT.glob("[A-Z]*.md")]
OLD = {"CHANGELOG.md", "texts.md"}
"""Pages that also name what was."""


def named(text: str) -> Iterator[str]:
    """Every command of a text: in spans of code, and at the beginning of lines of shell."""
    for block in BLOCK.finditer(text):
        if block["language"] in SHELL:
            yield from LINE.findall(block["text"].replace("\\\n", " "))
    yield from SPAN.findall(BLOCK.sub("", text))


def problem(command: str) -> str | None:
    """What is wrong with a command, if anything: a word that is no command, or no option of it."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        words = command.split()[1:]
    current: click.Command = telemetry
    context = click.Context(telemetry)
    while isinstance(current, click.Group) and words and re.fullmatch(r"[a-z-]+", words[0]):
        found = current.get_command(context, words[0])
        if found is None:
            return f"{words[0]} is no command"
        current, words = found, words[1:]
        context = click.Context(current, parent=context)
    known = {"--help", *(option for one in current.params for option in one.opts)}
    # What comes after -- is Beam's.
    words = words[: words.index("--")] if "--" in words else words
    for word in words:
        option = word.partition("=")[0].rstrip(",.;:")
        if re.fullmatch(r"--[a-z][a-z-]*", option) and option not in known:
            return f"{option} is no option"
    return None


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_a_page_names_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.name in OLD or MADE in text:
        return
    wrong = [f"{command}: {told}" for command in named(text) if (told := problem(command))]
    assert wrong == []


def test_the_rule_sees_wrong_commands_and_options() -> None:
    text = "Say `telemetry sael`.\n```sh\ntelemetry seal --dte 2026-11-01\ntelemetry seal\n```\n"
    assert [problem(command) for command in named(text)] == [
        "--dte is no option",
        None,
        "sael is no command",
    ]


TUTORIALS = ROOT / "docs" / "tutorials"
ELSEWHERE = [one for one in examples("sh") if one.path.parent != TUTORIALS]
"""Tutorials are followed whole by tests/docs/test_tutorials.py."""


@pytest.mark.parametrize("example", ELSEWHERE, ids=str)
def test_a_block_of_shell_runs_beside_the_logs_that_it_names(
    example: Example, tmp_path: Path
) -> None:
    write_log(tmp_path / "access.log", datetime.now(UTC))
    (tmp_path / "old").mkdir()
    packed = gzip.compress((tmp_path / "access.log").read_bytes())
    (tmp_path / "old" / "1.gz").write_bytes(packed)
    (tmp_path / "nginx").mkdir()
    rng = random.Random(1)
    recent = [replace(one, at=datetime.now(UTC)) for one in requests(50, 1)]
    lines = "".join(f"{nginx_json(one, rng)[0]}\n" for one in recent)
    (tmp_path / "nginx" / "access.log").write_text(lines)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.text.replace("/var/log/nginx/", "nginx/")],
        cwd=tmp_path,
        env={**os.environ, "PATH": programs, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (written,) = re.findall(r"^written +([\d,]+)$", done.stdout, re.M)
    assert int(written.replace(",", "")) > 0


def test_no_block_of_shell_has_a_language_that_no_test_knows() -> None:
    assert [str(one) for kind in ("bash", "shell", "zsh") for one in examples(kind)] == []


def test_what_make_is_asked_for_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.M))
    wrong = {
        f"{path.relative_to(ROOT)}: make {name}"
        for path in PAGES
        if path.name not in OLD
        for name in re.findall(r"(?:`|^\$ )make ([a-z-]+)", path.read_text("utf-8"), re.M)
        if name not in targets
    }
    assert wrong == set()


def test_console_blocks_hold_commands_that_tests_know() -> None:
    """`telemetry` is run by tests/docs/test_examples.py, `make` is what runs the tests."""
    other = [
        f"{one}: {command}"
        for one in examples("console")
        for command in one.commands
        if command.split()[0] not in ("telemetry", "make")
    ]
    assert other == []
