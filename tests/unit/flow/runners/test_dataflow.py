"""What Dataflow relies on and no test can run: the job's proto, its parts, and how it moves them.

Runner v2 takes the portable proto that is made here; it fuses as the translations below do. It
moves what a shard has left between workers at any time, so two of them may read one partition.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.iobase import RestrictionTracker
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import translations
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker
from apache_beam.transforms import environments

from pipeline.flow.graph import build
from pipeline.flow.ports import Seat
from pipeline.flow.runners.beam_options import DATAFLOW, words_for
from pipeline.flow.steps import read
from pipeline.flow.steps.coders import register_coders
from pipeline.flow.steps.read import Read
from pipeline.flow.steps.restriction import Turns, TurnsProvider, TurnsTracker
from pipeline.flow.steps.stages import Anonymize, Decode, OptOut
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.flow.steps.write import Write, WriteRejections
from pipeline.io.source import Pace, Shard
from tests.unit.flow.world import EVENT, MemorySource, event, world

IMAGE = "europe-west4-docker.pkg.dev/project/telemetry/pipeline:1"
CHAIN = {"Read", "Decode", "OptOut", "Anonymize", "WriteRejections", "Write"}
MOVES_BATCHES = {
    common_urns.primitives.GROUP_BY_KEY.urn,
    common_urns.composites.RESHUFFLE.urn,
    common_urns.composites.COMBINE_PER_KEY.urn,
    common_urns.composites.COMBINE_GLOBALLY.urn,
    common_urns.primitives.FLATTEN.urn,
}
SHARD = Shard("kafka", 63, 64)
UNBOUNDED = beam_runner_api_pb2.IsBounded.UNBOUNDED


@pytest.fixture
def proto() -> Any:
    """The job as it is submitted, with a worker image."""
    words = words_for(
        DATAFLOW,
        4,
        ["--project=p", "--region=r", "--temp_location=gs://b/t", f"--sdk_container_image={IMAGE}"],
    )
    # The runner itself is not needed to translate, and its package is an extra.
    options = PipelineOptions([word for word in words if not word.startswith("--runner")])
    pipeline = beam.Pipeline(runner=FnApiRunner(), options=options)
    build(pipeline, world(MemorySource("kafka", EVENT, ())).ports)
    environment = environments.DockerEnvironment(container_image=IMAGE)
    return pipeline.to_runner_api(default_environment=environment)


def test_nothing_moves_batches_between_workers(proto: Any) -> None:
    transforms = proto.components.transforms.values()
    assert {transform.spec.urn for transform in transforms} & MOVES_BATCHES == set()


def test_after_the_start_everything_is_one_fused_stage(proto: Any) -> None:
    _, stages = FnApiRunner().create_stages(proto)
    chain = [names for names in map(_steps, stages) if "Decode" in names]
    assert len(chain) == 1
    assert chain[0] >= CHAIN
    # Before it: the impulse, the shards, and the runner's own splitting of them.
    others = [names for names in map(_steps, stages) if names not in chain]
    assert set().union(*others) & CHAIN <= {"Read"}


def test_the_source_is_unbounded_and_splittable(proto: Any) -> None:
    assert common_urns.requirements.REQUIRES_SPLITTABLE_DOFN.urn in proto.requirements
    read = next(t for t in proto.components.transforms.values() if t.unique_name == "Read")
    (output,) = read.outputs.values()
    assert proto.components.pcollections[output].is_bounded == UNBOUNDED


def test_every_step_runs_in_our_image(proto: Any) -> None:
    used = {
        proto.components.environments[transform.environment_id].payload
        for transform in proto.components.transforms.values()
        if transform.environment_id
    }
    assert len(used) == 1
    assert IMAGE.encode() in used.pop()


def test_no_transform_has_side_inputs_state_or_timers(proto: Any) -> None:
    needed = set(proto.requirements)
    assert needed == {common_urns.requirements.REQUIRES_SPLITTABLE_DOFN.urn}
    for transform in proto.components.transforms.values():
        if not transform.subtransforms:
            assert len(transform.inputs) <= 1


@pytest.mark.parametrize(
    "stage",
    [Read, Decode, OptOut, Anonymize, WriteRejections, Write],
    ids=lambda kind: kind.__name__,
)
def test_a_stage_comes_back_from_its_pickle(stage: type) -> None:
    ports = world(MemorySource("kafka", EVENT, ())).ports
    back = pickle.loads(pickle.dumps(stage(ports)))
    assert back._ports.run_id == ports.run_id
    assert back._ports.seat == ports.seat


def test_what_a_shard_has_left_is_small() -> None:
    register_coders()
    provider = TurnsProvider()
    restriction = provider.restriction_coder().encode(Turns())
    element = beam.coders.registry.get_coder(Shard).encode(SHARD)
    assert len(restriction) == 1
    assert len(element) < 200
    assert provider.restriction_size(SHARD, Turns()) == 1


def test_a_drain_takes_the_turns_away() -> None:
    assert TurnsProvider().truncate(SHARD, Turns()) is None


def _view(tracker: RestrictionTracker) -> RestrictionTrackerView:
    return RestrictionTrackerView(ThreadsafeRestrictionTracker(tracker))


def test_a_split_from_another_thread_ends_a_turn_after_the_slice_under_way() -> None:
    lines = tuple(event(number) for number in range(100))
    here = world(MemorySource("kafka", EVENT, lines, size=10))
    shared = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    reading = Read(here.ports)
    reading.setup()
    slices = reading.process(Shard("kafka", 0, 1), RestrictionTrackerView(shared))
    taken = next(slices)
    primary, residual = shared.try_split(0)
    assert (primary, residual) == (Turns(left=False), Turns())
    worker_of(here.ports).account.landed(taken.span)
    assert list(slices) == []
    assert shared.check_done()
    dismiss(worker_of(here.ports))


def test_two_workers_on_one_partition_store_each_event_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A residual moved, its old worker lives on: the lake takes each slice from one of them."""
    # Nobody here takes up what a turn leaves: on a slow machine a turn must not end by the clock.
    monkeypatch.setattr(read, "TURN_SECONDS", float("inf"))
    lines = tuple(event(number) for number in range(60))
    source = MemorySource("kafka", EVENT, lines, size=7)
    one = world(source, seat=Seat(None, 4), pace=Pace(to_end=True))
    other = world(source, seat=Seat(None, 4), pace=Pace(to_end=True), lake=one.ports.lake)
    workers = [_Chain(one.ports), _Chain(other.ports)]
    steps = [chain.run() for chain in workers]
    while steps:
        for step in list(steps):
            if next(step, None) is None:
                steps.remove(step)
    table = one.lake.tables[EVENT]
    spans = sorted((batch.span.start, batch.span.stop) for batch in table.batches)
    assert [start for start, _ in spans] == [0, *(stop for _, stop in spans[:-1])]
    assert table.rows == 60
    assert sum(chain.worker.account.conflicts for chain in workers) > 0
    for chain in workers:
        dismiss(chain.worker)


class _Chain:
    """The fused stage of one worker, a slice at a time."""

    def __init__(self, ports: Any) -> None:
        stages = (Decode, OptOut, Anonymize, WriteRejections, Write)
        self.worker = worker_of(ports)
        self.read = Read(ports)
        self.stages: list[Any] = [stage(ports) for stage in stages]
        for stage in [self.read, *self.stages]:
            stage.setup()

    def run(self) -> Iterator[bool]:
        for taken in self.read.process(Shard("kafka", 0, 1), _view(TurnsTracker(Turns()))):
            yield True  # the other worker's turn, between this one's reading and writing
            elements: list[Any] = [taken]
            for stage in self.stages:
                elements = [out for element in elements for out in stage.process(element) or ()]


def _steps(stage: translations.Stage) -> set[str]:
    return {transform.unique_name.split("/")[0] for transform in stage.transforms}
