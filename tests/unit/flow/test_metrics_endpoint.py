"""Metrics of processes that nobody has counted: each finds a port, none stops for want of one."""

from __future__ import annotations

import logging
import socket
import urllib.request
from collections.abc import Iterator

import pytest

from pipeline import metrics as declared
from pipeline.errors import EnvironmentProblem, OptOutStale
from pipeline.flow import metrics_endpoint
from pipeline.flow.metrics_endpoint import Endpoint, serve, serve_somewhere
from pipeline.flow.ports import Seat
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.metrics import LOOPBACK, Metrics
from tests.integration.services.ports import free_port
from tests.unit.flow.world import MemorySource, world

EVENT = "api_request"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process has."""
    with socket.socket() as other:
        other.bind((LOOPBACK, free_port()))
        other.listen()
        yield other.getsockname()[1]


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_the_next_free_port_is_taken(taken: int) -> None:
    metrics = Metrics()
    metrics.count(declared.COMMITS, 3, event=EVENT)
    port = serve_somewhere(metrics, Endpoint(taken))
    assert port is not None
    assert port > taken
    assert 'telemetry_commits_total{event="api_request"} 3.0' in page(port)


def test_without_a_free_port_work_goes_on(
    taken: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics_endpoint, "SPAN", 1)
    with caplog.at_level(logging.WARNING):
        assert serve_somewhere(Metrics(), Endpoint(taken)) is None
    assert "No metrics" in caplog.text


def test_a_port_that_people_have_named_has_to_be_free(taken: int) -> None:
    with pytest.raises(EnvironmentProblem, match="metrics cannot be served"):
        serve(Metrics(), Endpoint(taken))


def test_a_worker_of_another_runner_serves_its_metrics_once() -> None:
    first = free_port()
    here = world(MemorySource("kafka", EVENT, ()), seat=Seat(None, 4), metrics=Endpoint(first))
    here.optout.fail_after = 0
    worker = worker_of(here.ports)
    for _ in range(2):  # a gate that is closed is tried again, and its metrics say so meanwhile
        with pytest.raises(OptOutStale):
            worker.standing()
    assert "telemetry_worker_restarts_total" in page(first)
    with socket.socket() as probe:
        assert probe.connect_ex((LOOPBACK, first + 1)) != 0
    dismiss(worker)
