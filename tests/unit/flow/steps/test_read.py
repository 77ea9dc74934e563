"""Read: a turn at a shard holds the process, waits for the opt-out list, and ends."""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Mapping

from apache_beam.runners.sdf_utils import RestrictionTrackerView, ThreadsafeRestrictionTracker

from pipeline.events.model import NATIVE, Slice
from pipeline.events.wire.model import Reader
from pipeline.flow.steps.read import Read
from pipeline.flow.steps.restriction import Turns, TurnsTracker
from pipeline.flow.steps.worker import dismiss, worker_of
from pipeline.io.source import Pace, Shard
from tests.unit.flow.world import EVENT, MemorySource, event, world


def test_a_shard_waits_while_another_one_has_a_slice_under_way() -> None:
    lines = tuple(event(number) for number in range(40))
    here = world(MemorySource("one", EVENT, lines), MemorySource("two", EVENT, lines))
    worker = worker_of(here.ports)
    read = Read(here.ports)
    read.setup()
    first = slices(read, "one")
    taken = next(first)
    cut = threading.Event()

    def other() -> None:
        second = slices(read, "two")
        next(second)
        cut.set()
        second.close()

    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    assert not cut.wait(0.1)
    worker.account.landed(taken.span)
    # The other one waits, so this turn ends after its slice instead of taking all of them.
    assert list(first) == []
    assert cut.wait(5)
    thread.join(5)
    dismiss(worker)


def slices(read: Read, source: str) -> Generator[Slice]:
    tracker = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    made = read.process(Shard(source, 0, 1), RestrictionTrackerView(tracker))
    assert isinstance(made, Generator)
    return made


class Registry:
    """A schema registry that has to be waited for a while."""

    away = True

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        return dict.fromkeys(numbers)

    def ready(self) -> bool:
        return not self.away


def test_a_shard_takes_nothing_while_its_schema_registry_is_waited_for() -> None:
    lines = (event(0),)
    registry = Registry()
    sources = MemorySource("one", EVENT, lines), MemorySource("two", EVENT, lines)
    here = world(*sources, registries={"one": lambda: registry}, pace=Pace(to_end=False))
    read = Read(here.ports)
    read.setup()
    assert list(slices(read, "one")) == []
    assert next(slices(read, "two")).format == NATIVE
    registry.away = False
    taken = next(slices(read, "one"))
    assert (len(taken), taken.format) == (1, here.ports.format_name("one"))
    assert taken.format != NATIVE
    dismiss(worker_of(here.ports))
