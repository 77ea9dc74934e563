"""What goes over the pipes between supervisor and workers comes out as it went in."""

from __future__ import annotations

import io
import os
import select
from dataclasses import replace

import pytest

from pipeline.errors import KeyUnavailable, SettingsError, TelemetryError
from pipeline.flow.metrics_endpoint import Endpoint
from pipeline.flow.runners.worker_pipe import (
    End,
    Job,
    parse_line,
    receive_job,
    send_end,
    send_job,
    send_tally,
)
from pipeline.flow.summary import Summary, Tally
from tests.unit.flow.world import world


def prepare() -> None:
    """Stands for setting up logging."""


def test_a_job_comes_back() -> None:
    job = Job(replace(world().ports, metrics=Endpoint(9100)), prepare)
    pipe = io.BytesIO()
    send_job(pipe, job)
    pipe.seek(0)
    back = receive_job(pipe)
    assert back.ports.run_id == job.ports.run_id
    assert (back.ports.metrics, back.prepare) == (Endpoint(9100), prepare)


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


def test_a_tally_comes_back(pipe: tuple[int, int]) -> None:
    tally = Tally(10, 7, {"not_json": 2}, {"signal": 1}, 3)
    send_tally(pipe[1], tally)
    assert parse_line(os.read(pipe[0], select.PIPE_BUF)) == tally


@pytest.mark.parametrize("kind", [KeyUnavailable, SettingsError, TelemetryError])
def test_an_error_comes_back(pipe: tuple[int, int], kind: type[TelemetryError]) -> None:
    send_end(pipe[1], End(error=kind("what", where="here", why="so", remedy="do this")))
    back = parse_line(os.read(pipe[0], select.PIPE_BUF))
    assert isinstance(back, End)
    assert type(back.error) is kind
    assert str(back.error) == "what at here because so. do this"


def test_an_end_comes_back(pipe: tuple[int, int]) -> None:
    send_end(pipe[1], End(Summary(Tally(), 1.0, conflicts=2, unread_bytes=7, stopped_by=15)))
    back = parse_line(os.read(pipe[0], select.PIPE_BUF))
    assert back == End(Summary(Tally(), 0.0, conflicts=2, unread_bytes=7, stopped_by=15))
