"""Run the graph on another Beam runner: Flink, Dataflow, Prism.

The runner places the shards and starts the workers; a failure goes through it, told by its class
and coordinates alone. The account is taken from the commits that name this run.
"""

from __future__ import annotations

import time
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.flow.graph import build
from pipeline.flow.options import RunOptions
from pipeline.flow.ports import Ports, Seat
from pipeline.flow.report import Summary
from pipeline.flow.signals import Stop
from pipeline.flow.worker import dismiss, worker_of


def run_elsewhere(ports: Ports, options: RunOptions, stop: Stop) -> Summary:
    """Submit the graph and wait for its end; a signal cancels it there.

    Cancelling needs no drain: what is committed stays, and the next run goes on from there.
    """
    began = time.monotonic()
    ports = replace(ports, seat=Seat(None, options.workers))
    words = [f"--runner={options.runner}", "--streaming", *options.beam_options]
    worker = worker_of(ports)
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(words))
        build(pipeline, ports)
        result = pipeline.run()
        stop.tell(result.cancel)
        result.wait_until_finish()
        return Summary(
            worker.tally,
            time.monotonic() - began,
            conflicts=worker.conflicts,
            stopped_by=stop.signal,
        )
    finally:
        dismiss(worker)
