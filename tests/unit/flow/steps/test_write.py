"""Write and WriteRejections: one commit decides; a batch that the lake refuses is read again."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from pipeline.errors import LakeError
from pipeline.events.model import CleanBatch
from pipeline.flow.ports import utc_now
from pipeline.flow.steps.stages import Anonymize, Decode, OptOut
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.flow.steps.write import Write, WriteRejections
from tests.unit.flow.world import (
    EVENT,
    NOW,
    MemorySource,
    World,
    event,
    expiring_once,
    failing,
    slice_of,
    world,
)

LINES = [event(1), event(2), b"not json"]


def cleaned(here: World) -> CleanBatch:
    """Three messages, one of them refused, up to Anonymize."""
    elements: list[Any] = [slice_of(LINES)]
    for kind in (Decode, OptOut, Anonymize):
        stage = kind(here.ports)
        stage.setup()
        elements = [out for element in elements for out in stage.process(element)]
    [batch] = elements
    assert isinstance(batch, CleanBatch)
    return batch


def written(here: World, batch: CleanBatch) -> None:
    first, second = WriteRejections(here.ports), Write(here.ports)
    for stage in (first, second):
        stage.setup()
    for element in first.process(batch):
        second.process(element)


def test_rows_and_rejections_are_there_after_one_commit() -> None:
    here = world(MemorySource("lines", EVENT, ()))
    written(here, cleaned(here))
    table = here.lake.tables[EVENT]
    assert table.rows == 2
    assert [place for _, place in here.lake.refused.reasons] == [2]
    assert worker_of(here.ports).account.tally.read == 3
    dismiss(worker_of(here.ports))


@pytest.mark.parametrize("fixed", [True, False])
def test_a_commit_says_its_time_where_the_run_has_a_clock_of_its_own(fixed: bool) -> None:
    here = world(MemorySource("lines", EVENT, ()), **({} if fixed else {"clock": utc_now}))
    written(here, cleaned(here))
    [told] = here.lake.tables[EVENT].told
    assert told.get("at_ms") == (int(NOW.timestamp() * 1000) if fixed else None)
    dismiss(worker_of(here.ports))


def test_a_slice_that_is_too_old_lands_nowhere_and_is_logged_by_its_coordinates(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = world(MemorySource("lines", EVENT, ()))
    batch = cleaned(here)
    here.lake.tables[EVENT].before_commit = expiring_once()
    with caplog.at_level(logging.WARNING):
        written(here, batch)
    worker = worker_of(here.ports)
    assert worker.account.conflicts == 1
    assert worker.failure is None
    assert here.lake.tables[EVENT].rows == 0
    assert here.lake.refused.reasons == {}
    assert "memory/lines/0 [0, 3): SliceExpired" in caplog.text
    dismiss(worker)


def test_a_lake_that_fails_ends_the_run() -> None:
    here = world(MemorySource("lines", EVENT, ()))
    batch = cleaned(here)
    here.lake.tables[EVENT].before_commit = failing(LakeError("the store is away"))
    written(here, batch)
    worker = worker_of(here.ports)
    assert isinstance(worker.failure, LakeError)
    assert worker.stopping
    dismiss(worker)
