"""Run the graph in this process, with Beam's embedded runner, until its input ends or a signal."""

from __future__ import annotations

import time
from collections.abc import Callable

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline.flow.endpoint import serve
from pipeline.flow.graph import build
from pipeline.flow.ports import Ports
from pipeline.flow.report import Summary, Tally
from pipeline.flow.signals import Stop
from pipeline.flow.worker import dismiss, worker_of


def run_here(
    ports: Ports,
    stop: Stop,
    *,
    metrics_port: int | None = None,
    on_commit: Callable[[Tally], None] | None = None,
) -> Summary:
    """Run the graph in this process; `ports.seat` says which part of the input is its own.

    One Beam worker: with more in one process this runner loses what a source has deferred.
    `stop` flushes what is there, commits it and ends the run; `on_commit` is told of every slice
    that has landed. Raises `TelemetryError`.
    """
    began = time.monotonic()
    worker = worker_of(ports)
    try:
        serve(worker.metrics, metrics_port)
        stop.tell(worker.stop)
        if on_commit is not None:
            worker.on_commit = on_commit
        # Errors in what a run needs are told before Beam starts; a pause is not one.
        worker.standing()
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
            stopped_by=stop.signal,
        )
    finally:
        dismiss(worker)
