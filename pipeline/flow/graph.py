"""The path of a batch, as Beam sees it. Start reading here.

Everything after Read is one fused chain in one process, one element per slice: no grouping, no
shuffle, no state, no side input, so raw values never leave the process that read them. What a
step does is in the module of its name; this page says what flows between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import apache_beam as beam

from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.flow.coders import register_coders
from pipeline.flow.ports import Ports
from pipeline.flow.read import Read
from pipeline.flow.sink import Write, WriteRejections
from pipeline.flow.stages import Anonymize, Decode, OptOut
from pipeline.flow.worker import worker_of
from pipeline.io.source import Shard


def build(p: beam.Pipeline, ports: Ports) -> None:
    """Add the steps from the ports' sources to their lake to a pipeline."""
    register_coders()
    decode = beam.ParDo(Decode(ports)).with_output_types(RawBatch)
    opt_out = beam.ParDo(OptOut(ports)).with_output_types(RawBatch)
    anonymize = beam.ParDo(Anonymize(ports)).with_output_types(CleanBatch)
    write_rejections = beam.ParDo(WriteRejections(ports)).with_output_types(CleanBatch)
    (
        p
        | "Start" >> beam.Impulse()  # one empty element
        | "Shards" >> beam.FlatMap(_shards, ports).with_output_types(Shard)  # shares of sources
        | "Read" >> beam.ParDo(Read(ports)).with_output_types(Slice)  # raw bytes, coordinates
        | "Decode" >> decode  # typed columns of declared fields; refused: what is not as declared
        | "OptOut" >> opt_out  # the same, without those who opted out
        | "Anonymize" >> anonymize  # stored columns; identifiers end here; refused: too old, ahead
        | "WriteRejections" >> write_rejections  # the same; reasons and coordinates wait
        | "Write" >> beam.ParDo(Write(ports))  # nothing: rows and position are in the lake
    )


def _shards(_start: bytes, ports: Ports) -> Iterable[Shard]:
    """List the shards that this process reads, or all of them where the runner places them."""
    worker = worker_of(ports)
    seat = ports.seat
    for source in ports.sources:
        for shards in worker.attempt("Shards", None, partial(source.shards, seat.count)):
            for shard in shards:
                if seat.index is None or shard.index % seat.count == seat.index:
                    yield shard
