"""`telemetry run` before anything is opened: what is invalid leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.main import main
from pipeline.io.package_data import packaged

WORDS = ["run", "--once", "--event", "session"]


def test_a_missing_input_leaves_no_folder_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, state = tmp_path / "lake", tmp_path / "state"
    input_ = str(tmp_path / "mistyped.ndjson")
    assert main([*WORDS, "--input", input_, "--lake", str(lake), "--state", str(state)]) == 3
    assert "not found" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runner", ["fnapirunner", "FNAPIRUNNER", "FnApiRunner"])
def test_a_runner_is_matched_without_case(
    runner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--runner", runner, "--input", str(tmp_path / "none"), "--lake", str(tmp_path / "l")]
    assert main([*WORDS, *words, "--state", str(tmp_path / "s")]) == 3
    assert "not found" in capsys.readouterr().err


def test_a_direct_runner_is_refused_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--runner", "directrunner", "--input", "x"]) == 2
    assert "Leave --runner out" in capsys.readouterr().err


NGINX = (
    '{"time_iso8601":"2026-11-24T11:30:00+00:00","remote_addr":"192.0.2.7","status":"200",'
    '"request_method":"GET","request_uri":"/v1/me?mail=canary@example.com"}\n'
)


def test_lines_of_a_format_become_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "access.log"
    log.write_text(NGINX * 2 + "half a li\n")
    places = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    words = ["run", "--once", "--input", str(log), "--now", "2026-11-24T12:00:00Z", *places]
    assert main([*words, "--json", "--format", "nginx_json"]) == 0
    told = capsys.readouterr()
    account = json.loads(told.out)
    assert (account["read"], account["written"]) == (3, 2)
    assert account["rejected"] == {"not_json": 1}
    stored = [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    assert not any(b"canary" in path.read_bytes() for path in stored)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "nginx-json"], "did you mean 'nginx_json'"),
        (["--format", "none.toml"], "cannot be read"),
        (["--format", "nginx_json", "--event", "session"], "the source carries another"),
    ],
)
def test_a_format_that_does_not_load_leaves_no_folder_behind(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "access.log"
    log.write_text(NGINX)
    places = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    assert main(["run", "--once", "--input", str(log), *places, *words]) == 3
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [log]


def test_settings_name_the_format_of_a_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "access.log").write_text(NGINX)
    own = (Path(str(packaged())) / "formats" / "nginx_json.toml").read_text("utf-8")
    (tmp_path / "own.toml").write_text(
        own.replace('account_id = { from = "http_x_account_id" }\n', "")
    )
    config = tmp_path / "telemetry.toml"
    config.write_text(
        f'lake.path = "{tmp_path}/lake"\nstate.path = "{tmp_path}/state"\n'
        '[sources.edge]\nfiles = ["access.log"]\nformat = "own.toml"\n'
    )
    words = ["run", "--once", "--config", str(config), "--now", "2026-11-24T12:00:00Z"]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["written"] == 1
    assert "source edge: this format carries no account_id" in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--flink_mastr=localhost:1", "--environment_type=LOOPBACK"], "--flink_master?"),
        (["--flink_master=localhost:1", "--environment_type=LOOPBAK"], "LOOPBACK?"),
        (["--flink_master=localhost:1"], "where Flink's Python workers run"),
        (["flink_master=localhost:1"], "neither an option"),
    ],
)
def test_options_for_flink_are_checked_before_anything_is_made(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").write_text("{}\n")
    places = ["--lake", str(tmp_path / "lake"), "--state", str(tmp_path / "state")]
    given = ["--runner", "flinkRunner", *places, "--input", str(tmp_path / "in"), "--", *words]
    assert main([*WORDS, *given]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_lake_of_an_unknown_store_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--input", str(tmp_path), "--lake", "s4://bucket/lake", "--state", str(tmp_path / "s")]
    assert main([*WORDS, *words]) == 3
    assert "Did you mean s3://?" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
