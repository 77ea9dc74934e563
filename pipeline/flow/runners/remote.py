"""Run the graph on another Beam runner: Flink, Dataflow, Prism.

The runner places the shards and starts the workers. A failure of ours comes back through it as
text: class and coordinates alone, never content. The account is taken from the lake's log, from
the commits that name this run.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options import pipeline_options
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import PipelineResult, PipelineState

from pipeline import errors
from pipeline.errors import EnvironmentProblem, TelemetryError
from pipeline.flow.graph import build
from pipeline.flow.ports import Ports, Seat
from pipeline.flow.runners.beam_options import (
    PASSED_ON,
    SHARDS_PER_WORKER,
    flink_job,
)
from pipeline.flow.runners.log_account import LogAccount
from pipeline.flow.runners.run_options import RunOptions
from pipeline.flow.runners.signals import Stop
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.flow.summary import Summary
from pipeline.io.flink_rest import cancel_jobs, require_flink

LOG = logging.getLogger(__name__)

CANCEL_SECONDS = 30.0
"""How long a job may take to end after it was cancelled, where only Beam can report that it did."""

RENEW_SECONDS = 2 * 3600.0
"""A job on Flink is resubmitted after this time. Beam before pull request 39191 (issue 27648) keeps
a state of its own for every turn of a shard, 14 kB of a TaskManager's heap, until the job ends."""

_OURS = re.compile(r"pipeline\.errors\.(\w+): ([^\n]+)")
_STEP = re.compile(r" \[while running '.*?'\]")


def run_elsewhere(ports: Ports, options: RunOptions, words: Sequence[str], stop: Stop) -> Summary:
    """Submit the graph with these options for Beam, and wait for its end; a signal cancels it.

    Cancelling needs no drain: what is committed stays, and the next run continues from there.
    Raises `TelemetryError`: an error of a worker, or what became of the job.
    """
    began = time.monotonic()
    ports = replace(ports, seat=Seat(None, options.workers * SHARDS_PER_WORKER))
    logging.getLogger(pipeline_options.__name__).addFilter(_is_news)
    on_flink = flink_job(words)
    if on_flink is not None:
        require_flink(on_flink[0])
    if on_flink is not None and cancel_jobs(*on_flink):
        LOG.warning("A job of this name was running, and was cancelled: its client is gone")
    try:
        result = _submit(ports, options.runner, words)
        while not _wait(result, options.runner, stop, on_flink):
            assert on_flink is not None
            LOG.warning("The job is submitted again after %.0f hours", RENEW_SECONDS / 3600)
            cancel_jobs(*on_flink)
            result = _submit(ports, options.runner, words)
    finally:
        if on_flink is not None:
            cancel_jobs(*on_flink)
        # With workers in this process (LOOPBACK) there is something to close.
        dismiss(worker_of(ports))
    seconds = time.monotonic() - began
    return Summary(LogAccount(ports).read(), seconds, None, None, None, stopped_by=stop.signal)


def beams_options() -> set[str]:
    """Return the names of all options that Beam for Python knows, of every runner."""
    names = _Names()
    waiting: list[Any] = [PipelineOptions]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        kind._add_argparse_args(names)
    return names.found


class _Names:
    """What Beam's options add their arguments to, instead of a parser."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def add_argument(self, *names: str, **_more: Any) -> None:
        """Note the names of an option."""
        self.found |= {name.removeprefix("--") for name in names}

    add_value_provider_argument = add_argument


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out Beam's warnings about options of ours that it does not know and only passes on."""
    told = record.getMessage()
    return not any(f"--{name}=" in told for name in PASSED_ON)


def _submit(ports: Ports, runner: str, words: Sequence[str]) -> PipelineResult:
    pipeline = beam.Pipeline(options=PipelineOptions(list(words)))
    build(pipeline, ports)
    try:
        return pipeline.run()
    except (grpc.RpcError, grpc.FutureTimeoutError, OSError) as error:
        raise EnvironmentProblem(
            f"the job could not be submitted to {runner}",
            why=f"of a {type(error).__name__}",
            remedy="Check that the job server or cluster is running, and its address after the --",
        ) from None


def _wait(
    result: PipelineResult, runner: str, stop: Stop, on_flink: tuple[str, str] | None
) -> bool:
    """Wait for the job's end; False if it is old enough to be submitted again.

    Raises `TelemetryError` unless the job is done, or we cancelled it.
    Nothing waits for Beam alone: it may look at a job only once a minute, and if it submits a jar,
    it asks Flink at the wrong address to cancel it, and keeps waiting.
    """
    outcomes: SimpleQueue[object] = SimpleQueue()

    def watch() -> None:
        outcome: object = None
        try:
            outcome = result.wait_until_finish()
        except (grpc.RpcError, OSError, RuntimeError) as error:
            outcome = error
        finally:
            outcomes.put(outcome)

    def cancel() -> None:
        try:
            if on_flink is not None:
                cancel_jobs(*on_flink)
            else:
                result.cancel()
                watching.join(CANCEL_SECONDS)
        except (grpc.RpcError, OSError, RuntimeError, TelemetryError) as error:
            LOG.warning("It is not certain that the job has ended: %s", type(error).__name__)
        finally:
            outcomes.put(PipelineState.CANCELLED)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    # A handler of signals must not wait for an answer from the network.
    stop.tell(threading.Thread(target=cancel, daemon=True).start)
    try:
        outcome = outcomes.get(timeout=None if on_flink is None else RENEW_SECONDS)
    except Empty:
        return False
    if stop.signal is not None:
        return True
    if isinstance(outcome, grpc.RpcError | OSError):
        raise EnvironmentProblem(
            f"the job server or cluster of {runner} went away",
            remedy="What is committed stays. Start it, and run again to continue from there",
        )
    if outcome != PipelineState.DONE:
        # An error is Beam's way of saying that a job did not end well; its text is all there is.
        raise what_happened(str(outcome), runner)
    return True


def what_happened(text: str, runner: str) -> TelemetryError:
    """Return a job's failure as an error of ours: the worker's own one, if the text tells it.

    >>> what_happened("... pipeline.errors.KeyUnavailable: a key is missing", "FlinkRunner")
    KeyUnavailable('a worker stopped the job on FlinkRunner')
    >>> what_happened("failed in state CANCELLED", "FlinkRunner").what
    'someone cancelled the job on FlinkRunner'
    """
    found = _OURS.findall(text)
    kind = getattr(errors, found[-1][0], None) if found else None
    if isinstance(kind, type) and issubclass(kind, TelemetryError):
        told = _STEP.sub("", found[-1][1]).strip()
        return kind(f"a worker stopped the job on {runner}", why=f"it said: {told}")
    if PipelineState.CANCELLED in text:
        return TelemetryError(
            f"someone cancelled the job on {runner}",
            remedy="What is committed stays. Run again to continue from there",
        )
    return EnvironmentProblem(
        f"the job on {runner} failed",
        remedy="Its log says why. What is committed stays; run again to continue from there",
    )
