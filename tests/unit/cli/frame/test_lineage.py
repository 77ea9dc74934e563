"""Run events of OpenLineage: valid by the specification's own classes, and about nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState

from pipeline.cli.frame.lineage import FLOWS
from pipeline.cli.main import main, telemetry
from tests.unit.cli.test_main import commands


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A settings file without a lake yet, of one source."""
    (tmp_path / "in.ndjson").write_text("")
    path = tmp_path / "telemetry.toml"
    path.write_text(
        '[lake]\npath = "lake"\n[state]\npath = "state"\n'
        '[sources.api]\nevent = "api_request"\nfiles = ["in.ndjson"]\n'
    )
    return path


def call(settings: Path, *words: str) -> int:
    return main([*words, "--config", str(settings), "--quiet"])


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def parsed(event: dict[str, Any]) -> RunEvent:
    """The event by the classes that are generated from the specification; they check formats."""
    assert set(event) == {
        "eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL",
    }  # fmt: skip
    return RunEvent(
        eventType=RunState(event["eventType"]),
        eventTime=event["eventTime"],
        run=Run(**event["run"]),
        job=Job(**event["job"]),
        inputs=[InputDataset(**one) for one in event["inputs"]],
        outputs=[OutputDataset(**one) for one in event["outputs"]],
        producer=event["producer"],
    )


def test_a_command_starts_and_completes_as_one_run(settings: Path) -> None:
    with settings.open("a") as file:
        file.write('[lineage]\nfile = "lineage.ndjson"\nnamespace = "team"\n')
    assert call(settings, "run", "--once") == 0
    assert call(settings, "seal") == 0
    told = events(settings.parent / "lineage.ndjson")
    run, seal = told[:2], told[2:]
    for pair, name in ((run, "telemetry.run"), (seal, "telemetry.seal")):
        start, end = map(parsed, pair)
        assert (start.eventType, end.eventType) == (RunState.START, RunState.COMPLETE)
        assert start.run.runId == end.run.runId
        assert (end.job.namespace, end.job.name) == ("team", name)
        assert end.schemaURL.rpartition("/")[2] == "RunEvent"
        assert end.schemaURL.partition("#")[0] == pair[1]["schemaURL"].partition("#")[0]
    assert [one["name"] for one in run[0]["inputs"]] == ["sources.api"]
    assert {"events/api_request", "rejections"} <= {one["name"] for one in run[0]["outputs"]}
    assert str(settings.parent) not in json.dumps(told)


def test_a_command_that_fails_says_so_and_not_why(settings: Path) -> None:
    with settings.open("a") as file:
        file.write('[lineage]\nfile = "lineage.ndjson"\n')
    assert call(settings, "sql", "SELECT 'somebody@example.com' FROM nowhere") != 0
    told = events(settings.parent / "lineage.ndjson")
    assert [parsed(one).eventType for one in told] == [RunState.START, RunState.FAIL]
    assert "somebody" not in json.dumps(told)


def test_without_the_setting_nothing_is_written(settings: Path) -> None:
    assert call(settings, "seal") == 0
    assert not list(settings.parent.rglob("lineage*"))


@contextmanager
def collector(status: int) -> Iterator[tuple[str, list[tuple[str | None, bytes]]]]:
    taken: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.headers["Authorization"], body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage", taken
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [201, 500])
def test_a_collector_is_sent_events_and_stops_nothing(
    settings: Path,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LINEAGE_TOKEN", "Bearer hunter2")
    with collector(status) as (url, taken):
        with settings.open("a") as file:
            file.write(f'[lineage]\nendpoint = "{url}"\nauthorization = "env:LINEAGE_TOKEN"\n')
        assert call(settings, "seal") == 0
    assert [header for header, _ in taken] == ["Bearer hunter2"] * 2
    states = [parsed(json.loads(body)).eventType for _, body in taken]
    assert states == [RunState.START, RunState.COMPLETE]
    said = capsys.readouterr().err
    assert ("status 500" in said) == (status == 500)
    assert "hunter2" not in said


def test_a_collector_that_is_away_stops_nothing(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with settings.open("a") as file:
        file.write('[lineage]\nendpoint = "http://127.0.0.1:1/lineage"\n')
    assert call(settings, "seal") == 0
    assert "does not answer" in capsys.readouterr().err


def test_every_flow_is_of_a_command() -> None:
    assert set(FLOWS) <= {".".join(words) for words in commands(telemetry)}
    assert isinstance(telemetry, click.Group)
