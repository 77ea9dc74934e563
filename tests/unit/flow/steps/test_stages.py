"""Beam's stages: what they hand on when something outside is not ready."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from pipeline.errors import RegistryUnreachable
from pipeline.events.wire.model import Reader
from pipeline.flow.steps.stages import Decode
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.io.source import Pace
from tests.unit.flow.world import EVENT, MemorySource, slice_of, world


class RegistryAway:
    """A schema registry that does not answer."""

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        raise RegistryUnreachable("the schema registry does not answer")

    def ready(self) -> bool:
        return False


@pytest.mark.parametrize("to_end", [True, False])
def test_a_slice_whose_schemas_cannot_be_known_goes_no_further(to_end: bool) -> None:
    here = world(
        MemorySource("one", EVENT, ()), registries={"one": RegistryAway}, pace=Pace(to_end=to_end)
    )
    stage = Decode(here.ports)
    stage.setup()
    framed = slice_of([b"\0\0\0\0\1{}"])
    found = stage.process(replace(framed, format=here.ports.format_name("one")))
    failure = worker_of(here.ports).failure
    dismiss(worker_of(here.ports))
    assert list(found) == []
    # A run that ends at the end of its sources has nobody to wait for it.
    assert isinstance(failure, RegistryUnreachable) if to_end else failure is None
