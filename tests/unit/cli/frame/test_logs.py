"""What reaches the terminal: our warnings; libraries' only when asked for; no exception's text."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime

import pytest

from pipeline.cli.frame.logs import set_up_logging
from pipeline.cli.main import main

PLANTED = "canary.person@example.com"


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root, beam = logging.getLogger(), logging.getLogger("apache_beam")
    handlers, level, beams = list(root.handlers), root.level, beam.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    beam.setLevel(beams)


@pytest.mark.parametrize(
    ("verbose", "name", "level", "shown"),
    [
        (0, "pipeline.flow.x", logging.WARNING, True),
        (0, "pipeline.flow.x", logging.INFO, False),
        (0, "kafka.client", logging.ERROR, False),
        (0, "deltalake", logging.WARNING, False),
        (0, "pipelines.of.others", logging.ERROR, False),
        (1, "kafka.client", logging.WARNING, True),
        (1, "pipeline.flow.x", logging.INFO, True),
        (1, "pipeline.flow.x", logging.DEBUG, False),
        (1, "apache_beam.runners", logging.INFO, False),
        (2, "kafka.client", logging.INFO, True),
        (2, "deltalake", logging.DEBUG, True),
        (2, "apache_beam.runners", logging.DEBUG, True),
    ],
)
def test_who_is_heard(
    verbose: int, name: str, level: int, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(verbose)
    logging.getLogger(name).log(level, "said")
    assert ("said" in capsys.readouterr().err) is shown


def test_clients_that_log_whole_requests_are_never_heard_in_detail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from kafka.protocol.sasl import SaslAuthenticateRequest

    set_up_logging(2)
    login = SaslAuthenticateRequest(auth_bytes=b"\0user\0hunter2")
    assert "hunter2" in str(login)
    logging.getLogger("kafka.net.connection").debug("Request %d: %s", 1, login)
    logging.getLogger("botocore.parsers").info("hunter2")
    logging.getLogger("azure").debug("hunter2")
    logging.getLogger("kafka.net.connection").info("connected")
    logging.getLogger("botocore.parsers").warning("expired")
    told = capsys.readouterr().err.splitlines()
    assert [line.rsplit(" ", 1)[-1] for line in told] == ["connected", "expired"]


def test_log_lines_are_json_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(1, "json")
    logging.getLogger("pipeline.flow.x").warning("%d of\n%s", 3, "four")
    try:
        raise ValueError(PLANTED)
    except ValueError as error:
        logging.getLogger("pipeline.x").exception("failed: %s", error)
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {"level": "WARNING", "logger": "pipeline.flow.x", "message": "3 of\nfour"}
    assert second["message"] == "failed: ValueError"
    assert second["exception"].startswith("ValueError\n")
    assert PLANTED not in json.dumps(second)


def test_setting_up_twice_says_nothing_twice(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(0)
    set_up_logging(0)
    logging.getLogger("pipeline.x").warning("said")
    assert capsys.readouterr().err.count("said") == 1


def test_the_text_of_an_exception_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(2)
    try:
        raise ValueError(PLANTED)
    except ValueError as error:
        logging.getLogger("kafka.client").exception("could not read %s", error)
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert PLANTED not in told


def test_a_command_leaves_its_levels_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(), logging.getLogger("apache_beam")]
    before = [logger.level for logger in loggers]
    assert main(["doctor", "-vv", "--json", "--event"]) == 2
    assert main(["explain", "-vv", "--json"]) == 0
    assert [logger.level for logger in loggers] == before
    logging.getLogger("kafka.client").error("said by a library")
    try:
        raise ValueError(PLANTED)
    except ValueError:
        logging.getLogger("pipeline.x").exception("a thread that is still ending")
    told = capsys.readouterr().err
    assert "said by a library" not in told
    assert "ValueError" in told
    assert PLANTED not in told
