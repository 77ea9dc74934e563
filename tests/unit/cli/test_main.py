"""The command itself: help without imports, nearest names, exit codes, no value repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pipeline.cli.frame.nearest import DESTRUCTIVE
from pipeline.cli.main import COMMANDS, main, telemetry
from tests.rules.sources import ROOT

HEAVY = ("apache_beam", "pyarrow", "duckdb", "deltalake", "rich", "numpy", "yaml", "kafka")
EMAIL = "somebody@example.com"


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command that can be run, hidden ones too."""
    context = click.Context(group)
    names = (
        [entry.name for entries in COMMANDS.values() for entry in entries]
        if group is telemetry
        else group.list_commands(context)
    )
    for name in names:
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


def fresh(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return done.stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["demmo"], ["run", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    loaded = fresh(
        "import sys, json, contextlib, io\n"
        "from pipeline.cli.main import main\n"
        "sink = io.StringIO()\n"
        "with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):\n"
        f"    main({words!r})\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    assert [name for name in HEAVY if name in json.loads(loaded)] == []


def test_the_references_say_what_the_code_says() -> None:
    """If this fails: telemetry reference, and commit what it wrote."""
    assert main(["reference", str(ROOT / "docs"), "--check"]) == 0


@pytest.mark.parametrize("words", sorted(commands(telemetry)), ids=" ".join)
def test_every_command_explains_itself_and_has_json(words: tuple[str, ...]) -> None:
    command: click.Command = telemetry
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    assert command.help
    options = {name for parameter in command.params for name in parameter.opts}
    assert {"--json", "--quiet", "--verbose"} <= options
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["demmo"], "demo"),
        (["statsu"], "status"),
        (["optout", "chek"], "check"),
        (["geoip", "imprt"], "import"),
        (["generate", "--evnt", "session"], "--event"),
        (["status", "--laek", "x"], "--lake"),
        (["generate", "--event", "sesion"], "session"),
        (["schema", "ddl", "dukdb"], "duckdb"),
        (["completion", "bsh"], "bash"),
        (["schema", "explain", "api_requets"], "api_request"),
        (["run", "--event", "sessoin", "--input", "x", "--lake", "l", "--state", "s"], "session"),
        (["run", "--runner", "flink"], "FlinkRunner"),
        (["explain", "optout-stale"], "opt-out-stale"),
    ],
)
def test_the_nearest_name_is_suggested(
    words: list[str], suggested: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert suggested in told.err
    assert "telemetry explain usage" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ["erse"],
        ["versoin-erase"],
        ["expir"],
        ["restrct"],
        ["optout", "remve"],
        ["hold", "en"],
        ["erase", "--aply", "x"],
        ["erase", "--aply", "--json", "x"],
        ["expire", "--aplly", "x"],
    ],
    ids=" ".join,
)
def test_a_word_that_destroys_is_never_suggested(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert not any(f"Did you mean {word}?" in told for word in DESTRUCTIVE)


def test_what_destroys_is_a_command_or_an_option() -> None:
    """A word that was renamed would be suggested again."""
    known: set[str] = set()
    for words in commands(telemetry):
        command: click.Command = telemetry
        for word in words:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), word)
            assert found is not None
            command = found
        known |= {*words, *(name for parameter in command.params for name in parameter.opts)}
    later = {"adopt", "accept"}
    assert DESTRUCTIVE - known <= later


@pytest.mark.parametrize(
    "words",
    [
        ["optout", EMAIL],
        ["generate", "--event", EMAIL],
        ["generate", "--event", "session", "--events", EMAIL],
        ["status", "--now", EMAIL],
        [EMAIL],
        ["geoip", "import", EMAIL],
        ["schema", "ddl", EMAIL],
        ["run", "--flush-interval", EMAIL, "--event", EMAIL],
    ],
    ids=lambda words: words[0] if "@" not in words[0] else "id as command",
)
def test_misused_words_are_never_repeated(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert EMAIL not in told.err + told.out


def test_without_words_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Start here" in capsys.readouterr().err


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "list", "--quiet", "--verbose"]) == 2
    assert "exclude" in capsys.readouterr().err


def test_settings_that_are_off_end_with_three(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TELEMETRY_PRIVACY_IPV4_BITS", "25")
    assert main(["schema", "list", "--json"]) == 3
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "settings"
    assert error["where"] == "environment: TELEMETRY_PRIVACY_IPV4_BITS"


def test_a_reader_that_goes_away_is_no_failure() -> None:
    words = "-m pipeline.cli generate --event session --events 20000"
    shell = f"{sys.executable} {words} | head -1 | wc -l; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "0"]
    assert done.stderr == ""


def test_the_module_and_the_script_are_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("telemetry, version ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_and_completes(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert "_TELEMETRY_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("telemetry sta", "status"),
        ("telemetry optout re", "remove"),
        ("telemetry run --on", "--once"),
    ],
)
def test_the_shell_is_told_what_fits(line: str, expected: str) -> None:
    environ = {
        **os.environ,
        "_TELEMETRY_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{expected}" in done.stdout


def test_nothing_is_made_by_asking_for_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands(telemetry):
        assert main([*words, "--help"]) == 0
    assert list(tmp_path.iterdir()) == []
