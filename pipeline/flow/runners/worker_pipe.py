"""What a supervisor and its workers say to each other, over pipes.

Down goes one job, and then nothing: the open pipe says that the supervisor lives. Up go lines of
JSON, each written by one system call and smaller than a pipe's atomic size, so that a worker that
dies leaves no half line: a tally for every commit, and at the end what else there is to say.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from pipeline import errors
from pipeline.errors import TelemetryError
from pipeline.flow.ports import Ports
from pipeline.flow.summary import Summary, Tally
from pipeline.parsing import parse_json

_SIZE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker process is to do."""

    ports: Ports
    prepare: Callable[[], None]


@dataclass(frozen=True, slots=True)
class End:
    """How a worker's run ended: with a summary or with an error."""

    summary: Summary | None = None
    error: TelemetryError | None = None


def send_job(pipe: IO[bytes], job: Job) -> None:
    """Write the job; leave the pipe open."""
    packed = pickle.dumps(job)
    pipe.write(len(packed).to_bytes(_SIZE_BYTES) + packed)
    pipe.flush()


def receive_job(pipe: IO[bytes]) -> Job:
    """Read the job that our own supervisor has sent."""
    size = int.from_bytes(pipe.read(_SIZE_BYTES))
    job = pickle.loads(pipe.read(size))  # noqa: S301  from the process that started this one
    assert isinstance(job, Job)
    return job


def send_tally(handle: int, tally: Tally) -> None:
    """Send the counts of one commit."""
    _send(handle, {"tally": tally.as_dict()})


def send_end(handle: int, end: End) -> None:
    """Send how the run ended."""
    if end.error is not None:
        error = end.error
        texts = [error.what, error.where, error.why, error.remedy]
        _send(handle, {"error": [type(error).__name__, *texts]})
    elif end.summary is not None:
        summary = end.summary
        numbers = [summary.conflicts, summary.unread_bytes, summary.stopped_by]
        _send(handle, {"end": numbers})


def parse_line(line: bytes) -> Tally | End:
    """Read a line that a worker has sent."""
    said: Mapping[str, Any] = parse_json(line)
    if "tally" in said:
        return Tally(**said["tally"])
    if "error" in said:
        name, what, where, why, remedy = said["error"]
        kind = getattr(errors, name, TelemetryError)
        return End(error=kind(what, where=where, why=why, remedy=remedy))
    conflicts, unread, stopped_by = said["end"]
    return End(Summary(Tally(), 0.0, conflicts, 0, unread, stopped_by))


def _send(handle: int, said: Mapping[str, object]) -> None:
    os.write(handle, json.dumps(said).encode() + b"\n")
