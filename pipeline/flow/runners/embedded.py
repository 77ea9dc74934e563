"""Run the graph in this process, with Beam's embedded runner, until its input ends or a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import fn_runner

from pipeline.flow.graph import build
from pipeline.flow.metrics_endpoint import serve
from pipeline.flow.ports import Ports
from pipeline.flow.runners.signals import Stop
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.flow.summary import Summary, Tally


class LongRunner(fn_runner.FnApiRunner):
    """Beam's embedded runner for runs that last.

    Beam 2.77 sums up the metrics of bundles in a generator that reads from the one before, and
    reads none until the end: each bundle costs 34 kB permanently, 300 MB in an idle hour. Here they
    are summed up at once.
    """

    def run_stages(self, *args: Any, **more: Any) -> Any:
        """Run all stages, with metrics summed up bundle by bundle."""
        lazily: Callable[[Any], Any] = fn_runner.consolidate_monitoring_infos

        def at_once(infos: Any) -> list[Any]:
            return list(lazily(infos))

        runner: Any = fn_runner
        runner.consolidate_monitoring_infos = at_once
        try:
            return super().run_stages(*args, **more)
        finally:
            runner.consolidate_monitoring_infos = lazily


def run_here(
    ports: Ports,
    stop: Stop,
    *,
    on_commit: Callable[[Tally], None] | None = None,
) -> Summary:
    """Run the graph in this process; `ports.seat` says which part of the input is its own.

    One Beam worker: with more in one process this runner loses what a source has deferred.
    `stop` flushes what is there, commits it and ends the run; `on_commit` is called with the
    counts of every slice that has landed. Raises `TelemetryError`.
    """
    began = time.monotonic()
    worker = worker_of(ports)
    try:
        serve(worker.metrics, ports.metrics)
        worker.start_export()
        stop.tell(worker.stop)
        worker.account.on_commit = on_commit
        # Errors in what a run needs are raised before Beam starts; a pause is not one.
        worker.standing()
        pipeline = beam.Pipeline(runner=LongRunner(), options=PipelineOptions([]))
        build(pipeline, ports)
        pipeline.run().wait_until_finish()
        if worker.failure is not None:
            raise worker.failure
        return Summary(
            worker.account.tally,
            time.monotonic() - began,
            conflicts=worker.account.conflicts,
            unread_bytes=worker.account.unread_bytes,
            stopped_by=stop.signal,
        )
    finally:
        dismiss(worker)
