"""The graph is what graph.py says: these steps, in this order, and nothing that moves batches."""

from __future__ import annotations

import pickle

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pipeline import PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import translations
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms import environments

from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.flow.graph import build
from pipeline.flow.steps.read import Read
from pipeline.flow.steps.stages import Anonymize, Decode, OptOut
from pipeline.flow.steps.write import Write, WriteRejections
from pipeline.io.source import Shard
from tests.unit.flow.world import EVENT, MemorySource, world

STEPS = ["Start", "Shards", "Read", "Decode", "OptOut", "Anonymize", "WriteRejections", "Write"]


@pytest.fixture
def graph() -> beam.Pipeline:
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions([]))
    build(pipeline, world(MemorySource("logs", EVENT, ())).ports)
    return pipeline


class Labels(PipelineVisitor):
    def __init__(self) -> None:
        self.types: dict[str, object] = {}

    def visit_transform(self, node: object) -> None:
        label = node.full_label.split("/")[0]  # type: ignore[attr-defined]
        self.types[label] = node.outputs[None].element_type  # type: ignore[attr-defined]


def test_steps_and_what_flows_between_them(graph: beam.Pipeline) -> None:
    labels = Labels()
    graph.visit(labels)
    assert list(labels.types) == STEPS
    assert [labels.types[step] for step in STEPS[1:7]] == [
        Shard,
        Slice,
        RawBatch,
        RawBatch,
        CleanBatch,
        CleanBatch,
    ]


def test_everything_after_read_is_one_fused_stage(graph: beam.Pipeline) -> None:
    environment = environments.EmbeddedPythonEnvironment.default()
    proto = graph.to_runner_api(default_environment=environment)
    _, stages = FnApiRunner().create_stages(proto)
    fused = [
        {transform.unique_name.split("/")[0] for transform in stage.transforms} for stage in stages
    ]
    assert any(set(STEPS[2:]) <= names for names in fused)
    assert isinstance(stages[0], translations.Stage)


@pytest.mark.parametrize(
    "stage",
    [Read, Decode, OptOut, Anonymize, WriteRejections, Write],
    ids=lambda kind: kind.__name__,
)
def test_stages_travel_to_workers(stage: type) -> None:
    here = world(MemorySource("logs", EVENT, ()))
    assert len(pickle.dumps(stage(here.ports))) < 4_000
