"""Run the graph in this process, with Beam's embedded runner, until its input ends or a signal."""

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

from pipeline.flow.endpoint import serve
from pipeline.flow.graph import build
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary
from pipeline.flow.worker import Worker, dismiss, worker_of

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_here(ports: Ports, metrics_port: int | None = None) -> Summary:
    """Run the graph in this process; `ports.seat` says which part of the input is its own.

    One Beam worker: with more in one process this runner loses what a source has deferred.
    SIGTERM and SIGINT flush what is there, commit it and end the run; a second SIGINT interrupts.
    Raises `TelemetryError`.
    """
    began = time.monotonic()
    worker = worker_of(ports)
    try:
        serve(worker.metrics, metrics_port)
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
