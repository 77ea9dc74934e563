"""Opening: all or nothing, and what was opened before a failure is closed again."""

from __future__ import annotations

import dataclasses
import platform
import subprocess
import sys

import pytest

from pipeline.errors import LakeError, TelemetryError
from pipeline.flow.steps.opened import Opened, open_ports
from tests.rules.sources import ROOT
from tests.unit.flow.world import EVENT, MemoryLake, MemorySource, schemas, world


class FailingLake(MemoryLake):
    """A lake that opens, and whose recovery fails."""

    def recover(self) -> int:
        raise LakeError("the lake's log could not be read")


def test_every_event_of_the_sources_gets_its_newest_schema_and_its_table() -> None:
    here = world(MemorySource("one", EVENT, ()), MemorySource("two", "session", ()))
    opened = open_ports(here.ports)
    assert set(opened.lines) == {EVENT, "session"}
    assert opened.lines[EVENT].schema == schemas()[EVENT][-1]
    assert opened.lines[EVENT].table is here.lake.tables[EVENT]


def test_a_lake_is_closed_after_a_failure_while_opening() -> None:
    lake = FailingLake()
    with pytest.raises(LakeError):
        open_ports(world(MemorySource("one", EVENT, ()), lake=lambda: lake).ports)
    assert lake.closed == 1


def test_a_missing_key_opens_no_lake() -> None:
    opened: list[MemoryLake] = []

    def no_keys() -> None:
        raise TelemetryError("a key is missing")

    def lake() -> MemoryLake:
        opened.append(MemoryLake())
        return opened[-1]

    with pytest.raises(TelemetryError):
        open_ports(world(MemorySource("one", EVENT, ()), keys=no_keys, lake=lake).ports)
    assert opened == []


def test_what_is_opened_cannot_be_exchanged() -> None:
    opened = open_ports(world(MemorySource("one", EVENT, ())).ports)
    assert isinstance(opened, Opened)
    with pytest.raises(dataclasses.FrozenInstanceError):
        opened.lake = MemoryLake()  # type: ignore[misc]


FAULTS = """
import resource
from pipeline.flow.steps.opened import open_ports
from tests.unit.flow.world import EVENT, MemorySource, world

def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

open_ports(world(MemorySource("one", EVENT, ())).ports)
print(faults(64 << 20), faults(64 << 20))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")
def test_memory_of_one_slice_is_there_for_the_next() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FAULTS], cwd=ROOT, check=True, capture_output=True, text=True
    )
    first, second = map(int, told.stdout.split())
    assert first > 10_000
    assert second < first // 10
