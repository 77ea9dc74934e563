"""Run the graph: here in this process, in several processes, or on another Beam runner."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline.errors import EnvironmentProblem
from pipeline.flow.graph import build
from pipeline.flow.options import RunOptions
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary
from pipeline.flow.worker import Worker, dismiss, worker_of

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_here(ports: Ports, options: RunOptions) -> Summary:
    """Run the graph in this process, with Beam's embedded runner and one worker.

    With more than one worker in a process that runner loses what a source has deferred.
    """
    began = time.monotonic()
    worker = worker_of(ports)
    try:
        if options.metrics_port is not None:
            _serve(worker, options.metrics_port)
        with _stopping_on_signals(worker) as received:
            worker.open()
            pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
            build(pipeline, ports)
            pipeline.run().wait_until_finish()
        if worker.failure is not None:
            raise worker.failure
        return Summary(
            worker.tally,
            time.monotonic() - began,
            conflicts=worker.conflicts,
            unread_bytes=worker.unread_bytes,
            stopped_by=received[0] if received else None,
        )
    finally:
        dismiss(worker)


@contextmanager
def _stopping_on_signals(worker: Worker) -> Iterator[list[int]]:
    """Turn the first signal into a clean stop; a second SIGINT interrupts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        worker.stop()

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(worker: Worker, port: int) -> None:
    try:
        worker.metrics.serve(port)
    except OSError:
        raise EnvironmentProblem(
            "metrics cannot be served",
            where=f"port {port} of the loopback interface",
            why="another process has it",
            remedy="Name a free port with --metrics-port, or leave it out.",
        ) from None
