"""What `doctor` and `status` say of the opt-out list is said of the list that a run would read."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import batch, table_of


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def words(tmp_path: Path, closed_port: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Settings with an opt-out topic, beside a lake and a state folder that has its own list."""
    table_of(Lake(str(tmp_path / "lake"), state=tmp_path / "writers")).commit(batch(0, 1))
    places = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    assert main(["optout", "add", "somebody", *places]) == 0
    capsys.readouterr()
    config = tmp_path / "telemetry.toml"
    config.write_text(
        f'[kafka]\nservers = ["127.0.0.1:{closed_port}"]\noptout_topic = "telemetry.optouts"\n'
    )
    return [*places, "--config", str(config), "--json"]


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_doctor_fails_when_the_brokers_of_the_list_do_not_answer(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 3
    checks = [one for one in document(capsys)["checks"] if "opt" in one["name"]]
    assert [one["state"] for one in checks] == ["fail"]
    assert "accounts" not in checks[0]["detail"]


def test_status_does_not_tell_of_a_list_that_no_run_reads(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *words]) == 0
    assert document(capsys)["optout"] == {
        "accounts": None,
        "opted_out": None,
        "changed_at": None,
        "waiting_requests": 1,
        "topic": "telemetry.optouts",
        "known": False,
    }


def test_status_says_in_words_that_the_list_is_unknown(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *words[:-1]]) == 0
    assert "unknown: topic telemetry.optouts cannot be read now" in capsys.readouterr().out


def test_the_list_of_the_state_folder_is_counted_where_no_topic_is_set(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", *words[:4], "--json"]) == 0
    found = document(capsys)["optout"]
    assert (found["accounts"], found["opted_out"], found["topic"]) == (1, 1, None)
