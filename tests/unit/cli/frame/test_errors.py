"""How failures are told: every error class, unexpected exceptions, logs; never a value."""

from __future__ import annotations

import errno
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.frame import errors as failures
from pipeline.cli.frame.logs import WithoutMessages
from pipeline.cli.main import main
from pipeline.errors import (
    EnvironmentProblem,
    KeyUnavailable,
    LakeError,
    OptOutStale,
    PositionConflict,
    PositionGap,
    PrivacyGateClosed,
    SchemaError,
    SettingsError,
    SliceExpired,
    SourceError,
    TelemetryError,
    UsageError,
)
from tests.rules.sources import ROOT

SECRET = "somebody@example.com"

CODES = {
    TelemetryError: 1,
    UsageError: 2,
    SettingsError: 3,
    SchemaError: 3,
    EnvironmentProblem: 3,
    PrivacyGateClosed: 4,
    OptOutStale: 4,
    KeyUnavailable: 4,
    SourceError: 1,
    PositionGap: 1,
    LakeError: 1,
    PositionConflict: 1,
    SliceExpired: 1,
}


def every_error(kind: type[TelemetryError] = TelemetryError) -> set[type[TelemetryError]]:
    return {kind}.union(*(every_error(child) for child in kind.__subclasses__()))


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Make `telemetry schema list` raise."""

    def fail(_settings: object) -> None:
        raise error

    monkeypatch.setattr("pipeline.cli.commands.schema.open_schemas", fail)


def test_the_table_of_exit_codes_is_complete() -> None:
    ours = {kind for kind in every_error() if kind.__module__ == "pipeline.errors"}
    assert set(CODES) <= ours
    assert {kind.exit_code for kind in ours} == {1, 2, 3, 4}


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_every_error_is_told_with_its_code_and_page(
    kind: type[TelemetryError],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    raising(monkeypatch, kind("it broke", where="file.py:3", why="of this", remedy="Mend it"))
    assert main(["schema", "list"]) == CODES[kind]
    assert capsys.readouterr().err == (
        f"error[{kind.page}]: It broke\n"
        "  where: file.py:3\n"
        "  why:   because of this\n"
        "  next:  Mend it\n"
        f"  docs:  telemetry explain {kind.page}\n"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert failures.as_text(LakeError("it broke")) == (
        "error[lake]: It broke\n  docs:  telemetry explain lake"
    )


def test_with_json_the_error_is_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OptOutStale("it is old", remedy="Renew it"))
    assert main(["schema", "list", "--json"]) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err) == {
        "error": {
            "code": "opt-out-stale",
            "what": "It is old",
            "next": "Renew it",
            "docs": "docs/troubleshooting.md#opt-out-stale",
        }
    }


@pytest.mark.parametrize("words", [[], ["--json"], ["--verbose"], ["-vv"]], ids=str)
def test_an_unexpected_exception_is_told_by_its_class_alone(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyError(SECRET))
    assert main(["schema", "list", *words]) == 1
    told = capsys.readouterr()
    assert "KeyError" in told.err
    assert SECRET not in told.out + told.err
    shows_places = words in (["--verbose"], ["-vv"])
    assert ("test_errors.py:" in told.err) is shows_places


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EOFError()])
def test_an_interruption_ends_with_130(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, error)
    assert main(["schema", "list"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_logs_tell_exceptions_without_their_text() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(WithoutMessages("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.exception("a library said")
    logger.error("no exception", exc_info=sys.exc_info())
    told = stream.getvalue()
    assert "ValueError" in told
    assert "test_errors.py:" in told
    assert SECRET not in told


@pytest.mark.parametrize("message", ["%s", f"failed: {SECRET} [while running]", "plain"])
def test_the_text_of_an_exception_is_in_no_message(message: str) -> None:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as inner:
            raise ValueError(SECRET) from inner
    except ValueError as error:
        args = (error,) if "%s" in message else ()
        records = [
            logging.LogRecord("n", logging.ERROR, "f.py", 1, message, args, sys.exc_info()),
            logging.LogRecord("n", logging.ERROR, "f.py", 1, error, None, sys.exc_info()),
        ]
    for record in records:
        told = WithoutMessages("%(message)s").format(record)
        assert SECRET not in told
        assert "ValueError" in told


def test_a_traceback_that_was_rendered_before_is_left_out() -> None:
    record = logging.LogRecord("n", logging.ERROR, "f.py", 1, "said", None, None)
    record.exc_text = f"Traceback ... {SECRET}"
    assert SECRET not in WithoutMessages("%(message)s").format(record)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("the lake is away", "The lake is away"),
        ("--event is missing", "--event is missing"),
        ("lake.path is missing", "lake.path is missing"),
        ("api_request has no schema", "api_request has no schema"),
        ("", ""),
    ],
)
def test_an_error_starts_with_a_capital_or_with_a_name(text: str, told: str) -> None:
    assert failures.told(TelemetryError(text)).get("what", "") == told


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "no space is left on the device"),
        (errno.EACCES, "permission is denied"),
        (errno.ENOENT, "there is no such file or folder"),
        (errno.EROFS, "the file system is read-only"),
    ],
)
def test_a_refusal_of_the_operating_system_is_an_error_of_ours(
    number: int, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OSError(number, "libc says it", "out/page.html"))
    assert main(["schema", "list"]) == 3
    assert capsys.readouterr().err.splitlines()[:3] == [
        "error[environment]: A file or folder could not be used",
        "  where: out/page.html",
        f"  why:   {why}",
    ]


def test_an_operating_system_error_that_nobody_can_remove_stays_unexpected() -> None:
    assert failures.refused(OSError(errno.EBADF, "bad descriptor")) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["version"], ["schema", "explain", "api_request"]], ids=str)
def test_a_full_disk_behind_standard_output_is_an_error_of_ours(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *words],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("error[environment]: The output could not be written\n")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hold", "add", "--until", "24.11.2026"], "a date written as YYYY-MM-DD"),
        (["generate", "--event", "x", "--events", "1"], "api_request, session, feature_use or"),
        (["run", "--runner", "nothing"], "FnApiRunner, FlinkRunner, DataflowRunner or Prism"),
    ],
    ids=["date", "event", "runner"],
)
def test_a_value_that_is_invalid_is_told_what_is_expected(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert expected in capsys.readouterr().err
