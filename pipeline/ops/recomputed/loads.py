"""Which rows an audit loads to recompute figures from them: never more than its memory holds.

A rollup holds a week and the one before it, or four weeks, at once. Here a load that is too large
is split into weeks, and a week is loaded without the one before it where its figures only name
that week as their neighbour: then only the accounts of the rows are read for those days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pipeline.events.schema import SUBJECT
from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.made_of import BEFORE, populations_of
from pipeline.ops.rollup.plan import loads
from pipeline.ops.rollup.registry import Registry, Window
from pipeline.ops.rollup.sql import Pass
from pipeline.privacy.identity.epochs import EpochKind

Work = list[tuple[Pass, list[date]]]

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class LoadPart:
    """Files to be loaded at once, and what is made from them."""

    files: Sequence[DayFiles]
    work: Work
    before: Sequence[DayFiles] = ()
    """Days that the figures rest on by name alone."""

    @property
    def rows(self) -> int:
        """How many rows are loaded."""
        return sum(file.rows for file in self.files)

    @property
    def metrics(self) -> set[str]:
        """The metrics that are computed, by name."""
        return {metric.name for task, _ in self.work for metric in task.metrics}


def parts_of(
    work: Work, files: Sequence[DayFiles], registry: Registry, epoch: EpochKind, most: int | None
) -> Iterator[LoadPart]:
    """Split the work into loads of at most `most` rows, as far as that is possible."""
    for whole, tasks in loads(work, files, epoch):
        part = LoadPart(whole, tasks)
        if most is None or part.rows <= most:
            yield part
            continue
        weekly = [(task, starts) for task, starts in tasks if task.window is Window.WEEK]
        for start in sorted({start for _, starts in weekly for start in starts}):
            mine = [(task, [start]) for task, starts in weekly if start in starts]
            yield from _week(start, mine, whole, registry, most)
        others = [(task, starts) for task, starts in tasks if task.window is not Window.WEEK]
        if others:
            yield LoadPart(whole, others)


def _week(
    start: date, work: Work, files: Sequence[DayFiles], registry: Registry, most: int
) -> Iterator[LoadPart]:
    near = [file for file in files if start - BEFORE <= file.day < start + WEEK]
    part = LoadPart(near, work)
    if part.rows <= most:
        yield part
        return
    back = [one for one in work if _looks_back(registry, one[0].population)]
    rest = [one for one in work if one not in back]
    mine, before = ([file for file in near if (file.day >= start) is now] for now in (True, False))
    yield from (one for one in (LoadPart(mine, rest, before), LoadPart(near, back)) if one.work)


def _looks_back(registry: Registry, population: str) -> bool:
    return any(one.looks_back for one in populations_of(registry, population))


def by_name(registry: Registry) -> Registry:
    """The same registry, reduced so that a load reads only whose rows there are."""
    views = {event: replace(view, columns=(SUBJECT,)) for event, view in registry.views.items()}
    return replace(registry, views=views)
