"""The path of a batch, as Beam sees it. Start reading here.

Everything after Read is one fused chain in one process, one element per slice: no grouping, no
shuffle, no state, no side input, so raw values never leave the process that read them. What a
step does is in the module of its name; this page says what flows between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import apache_beam as beam

from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.flow.ports import Ports
from pipeline.flow.steps.coders import register_coders
from pipeline.flow.steps.read import Read
from pipeline.flow.steps.stages import Anonymize, Decode, OptOut
from pipeline.flow.steps.worker import Step, worker_of
from pipeline.flow.steps.write import Write, WriteRejections
from pipeline.io.source import Shard


def build(p: beam.Pipeline, ports: Ports) -> None:
    """Add the steps from the ports' sources to their lake to a pipeline."""
    register_coders()
    (
        p
        | "Start" >> beam.Impulse()  # one empty element
        | "Shards" >> beam.FlatMap(_shards, ports).with_output_types(Shard)  # shares of sources
        | "Read" >> _step(Read(ports), Slice)  # raw bytes, coordinates
        | "Decode" >> _step(Decode(ports), RawBatch)  # typed columns; refused: not as declared
        | "OptOut" >> _step(OptOut(ports), RawBatch)  # the same, without those who opted out
        | "Anonymize" >> _step(Anonymize(ports), CleanBatch)  # identifiers end here; too old, ahead
        | "WriteRejections" >> _step(WriteRejections(ports), CleanBatch)  # reasons, hidden as yet
        | "Write" >> beam.ParDo(Write(ports))  # nothing: rows and position are in the lake
    )


def _step(stage: Step, output: type) -> Any:
    """Run a stage; its output type is declared, or Beam would pickle what flows out."""
    return beam.ParDo(stage).with_output_types(output)


def _shards(_start: bytes, ports: Ports) -> Iterable[Shard]:
    """List the shards that this process reads, or all of them where the runner places them."""
    worker = worker_of(ports)
    seat = ports.seat
    for source in ports.sources:
        for shards in worker.attempt("Shards", None, partial(source.shards, seat.count)):
            for shard in shards:
                if seat.index is None or shard.index % seat.count == seat.index:
                    yield shard
