"""The examples of the documents run, on the folder that `telemetry demo` makes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.events.formats.parse import parse_format
from pipeline.io.package_data import load_schemas
from tests.docs import readme
from tests.docs.examples import Example, examples
from tests.docs.readme import PLACE, README, excerpt

TELEMETRY = Path(sys.executable).parent / "telemetry"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small demo."""
    place = tmp_path_factory.mktemp("demo") / "demo"
    run("telemetry demo --dir demo --events 8000 --days 3", place.parent)
    return place


@pytest.fixture(scope="module")
def encrypted(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of which the closed days are encrypted, as after switching encryption on."""
    place = tmp_path_factory.mktemp("encrypted") / "demo"
    shutil.copytree(demo, place)
    run("telemetry seal --config telemetry.toml", place, TELEMETRY_LAKE_ENCRYPTION="epoch")
    return place


@pytest.fixture(scope="module")
def iceberg(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose sealed days are tables of Iceberg as well."""
    place = tmp_path_factory.mktemp("iceberg") / "demo"
    shutil.copytree(demo, place)
    with (place / "telemetry.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[iceberg]\nfolder = "iceberg"\n')
    run("telemetry seal --config telemetry.toml", place)
    run("telemetry iceberg sync --config telemetry.toml", place)
    return place


def run(command: str, cwd: Path, **variables: str) -> str:
    words = shlex.split(command)
    if words[0] == "telemetry":
        words[0] = str(TELEMETRY)
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("example", examples("python"), ids=str)
def test_python_examples_run(example: Example, demo: Path, request: pytest.FixtureRequest) -> None:
    prepared = {"data-*.key": "encrypted", "pyiceberg": "iceberg"}
    needed = [fixture for word, fixture in prepared.items() if word in example.text]
    place = request.getfixturevalue(needed[0]) if needed else demo
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", example.text],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    if re.search(r"print\(|\.show\(\)", example.text):
        assert done.stdout.strip() not in ("", "0"), "the example shows nothing"


@pytest.mark.parametrize("example", examples("sql"), ids=str)
def test_sql_examples_run(example: Example, demo: Path) -> None:
    words = [str(TELEMETRY), "sql", example.text, "--lake", "lake", "--state", "state"]
    assert len(run(shlex.join(words), demo).splitlines()) > 1


@pytest.mark.parametrize("example", examples("console"), ids=str)
def test_console_examples_run(example: Example, demo: Path, tmp_path: Path) -> None:
    # Each example gets a demo of its own to work on, as some change it.
    shutil.copytree(demo, tmp_path / "demo")
    for command in example.commands:
        if command.startswith("telemetry "):
            run(command, tmp_path)


def is_format(example: Example) -> bool:
    return "[fields]" in example.text


def is_settings(example: Example) -> bool:
    """Other files in TOML say their name in a comment on the first line."""
    return not re.match(r"# (?!telemetry)[\w-]+\.toml\n", example.text)


@pytest.mark.parametrize("example", [one for one in examples("toml") if is_format(one)], ids=str)
def test_examples_of_formats_load(example: Example) -> None:
    assert parse_format(example.text, "own.toml", str(example), load_schemas()).rules


@pytest.mark.parametrize("example", [one for one in examples("toml") if is_settings(one)], ids=str)
def test_settings_examples_load(example: Example, tmp_path: Path) -> None:
    settings = tmp_path / "telemetry.toml"
    settings.write_text(example.text, "utf-8")
    load_settings(settings, {})


def test_console_blocks_show_commands() -> None:
    assert [str(example) for example in examples("console") if not example.commands] == []


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    shown = PLACE.search(README.read_text("utf-8"))
    assert shown is not None
    printed = excerpt(readme.demo(tmp_path, "--events", "8000", "--days", "3"))
    assert words(shown[0]) == words(printed)


def words(text: str) -> list[str]:
    """Titles, questions and queries: what is the same however many events there are."""
    return [line for line in text.splitlines() if re.match(r"== |Which |    [A-Z ]", line)]
