"""Jobs are found by name and cancelled at the cluster, and that is waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.flink_rest import cancel_jobs, require_flink


class Flink(HTTPServer):
    """Answers as Flink's REST interface does; a cancelled job ends at the next look but one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs = {"a": ["telemetry", "RUNNING"], "b": ["other", "RUNNING"]}
        self.jobs["c"] = ["telemetry", "FAILED"]
        self.cancelled: list[str] = []
        self.stubborn = False

    @property
    def master(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Flink

    def do_GET(self) -> None:
        jobs = self.server.jobs.items()
        self._answer({"jobs": [{"jid": j, "name": n, "state": s} for j, (n, s) in jobs]})

    def do_PATCH(self) -> None:
        job = self.path.split("/")[2].partition("?")[0]
        assert self.path.endswith("?mode=cancel")
        self.server.cancelled.append(job)
        if not self.server.stubborn:
            state = self.server.jobs[job][1]
            self.server.jobs[job][1] = "CANCELLING" if state == "RUNNING" else "CANCELED"
        self._answer({})

    def _answer(self, document: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *words: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def flink() -> Iterator[Flink]:
    with Flink() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_jobs_of_the_name_are_cancelled_and_no_others(flink: Flink) -> None:
    assert cancel_jobs(flink.master, "telemetry") == 1
    assert set(flink.cancelled) == {"a"}
    assert flink.jobs["a"][1] == "CANCELED"
    assert cancel_jobs(f"http://{flink.master}", "telemetry") == 0


def test_a_job_that_does_not_end_is_told(flink: Flink) -> None:
    flink.stubborn = True
    with pytest.raises(EnvironmentProblem, match="does not end it"):
        cancel_jobs(flink.master, "telemetry", patience=0.6)


def test_a_cluster_that_is_not_there_is_told() -> None:
    with pytest.raises(EnvironmentProblem, match="does not answer"):
        cancel_jobs("127.0.0.1:1", "telemetry", patience=0)


def test_an_address_of_another_kind_is_never_opened() -> None:
    with pytest.raises(EnvironmentProblem, match="does not answer"):
        cancel_jobs("file:///etc/passwd", "telemetry", patience=0)


def test_a_flink_that_answers_is_enough(flink: Flink) -> None:
    require_flink(flink.master)


def test_a_wrong_address_is_told_at_once() -> None:
    with pytest.raises(EnvironmentProblem, match="Check --flink_master"):
        require_flink("127.0.0.1:1", patience=0)
