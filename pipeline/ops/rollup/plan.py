"""What a rollup has to compute: which windows are due, and in which loads they fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import cast

from pipeline.ops.rollup.load import DayFiles
from pipeline.ops.rollup.registry import Registry, Window
from pipeline.ops.rollup.sql import Pass, passes
from pipeline.ops.rollup.windows import closed_spans
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

BATCH_ROWS = 3_000_000
"""Rows that are held in memory at once, unless one day or key period alone has more."""


def plan(
    registry: Registry,
    files: Sequence[DayFiles],
    manifest: Mapping[str, object],
    epoch: EpochKind,
    now: datetime,
) -> list[tuple[Pass, list[date]]]:
    """Return which windows are due: those of days that are new, changed, or new to a metric.

    A window is only computed while the lake still holds its first day, so that neither a lake's
    first partial week nor a half-expired one is published as if it were whole.
    """
    seen = cast("dict[str, dict[str, str]]", manifest.get("inputs", {}))
    known = set(cast("list[str]", manifest.get("tables", [])))
    if not files:
        return []
    first = min(file.day for file in files)
    due: list[tuple[Pass, list[date]]] = []
    for task in passes(registry, tuple(Window)):
        reads = registry.populations[task.population].reads
        mine = [file for file in files if file.event in reads]
        if set(table_ids(task)) <= known:
            mine = [f for f in mine if seen.get(f.event, {}).get(str(f.day)) != f.digest]
        spans = closed_spans({file.day for file in mine}, task.window, epoch, now)
        starts = [span.start for span in spans if span.start >= first]
        if starts:
            due.append((task, starts))
    return due


def table_ids(task: Pass) -> list[str]:
    """Names of the tables that a pass computes, as the manifest remembers them."""
    return [f"{metric.name}/{task.window.value}/{','.join(task.by)}" for metric in task.metrics]


def loads(
    work: Sequence[tuple[Pass, list[date]]], files: Sequence[DayFiles], epoch: EpochKind
) -> Iterator[tuple[list[DayFiles], list[tuple[Pass, list[date]]]]]:
    """Split the work into loads that fit in memory, each inside one key period."""
    periods = sorted({epoch_of(start, epoch) for _, starts in work for start in starts},
                     key=lambda period: period.index)  # fmt: skip
    for period in periods:
        inside = [
            (task, [start for start in starts if epoch_of(start, epoch) == period])
            for task, starts in work
        ]
        daily = [(task, starts) for task, starts in inside if task.window is Window.DAY and starts]
        wide = [
            (task, starts) for task, starts in inside if task.window is not Window.DAY and starts
        ]
        whole = [file for file in files if epoch_of(file.day, epoch) == period]
        if all(task.window is Window.WEEK for task, _ in wide):
            # A week is compared with the one before it; older weeks are not needed.
            weeks = [start for _, starts in wide for start in starts]
            since = min([*weeks, period.last_day]) - timedelta(days=7)
            days_wide = [file for file in whole if file.day >= since]
        else:
            days_wide = whole
        if wide and sum(file.rows for file in whole) <= BATCH_ROWS:
            needed = {start for _, starts in daily for start in starts}
            close = {file.day for file in days_wide}
            yield [file for file in whole if file.day in needed | close], daily + wide
            continue
        days = {start for _, starts in daily for start in starts}
        for batch in _batches([file for file in whole if file.day in days]):
            present = {file.day for file in batch}
            yield batch, [(task, [s for s in starts if s in present]) for task, starts in daily]
        if wide:
            yield days_wide, wide


def _batches(files: Iterable[DayFiles]) -> Iterator[list[DayFiles]]:
    """Batches of whole days, oldest first, of at most `BATCH_ROWS` rows where possible."""
    days: dict[date, list[DayFiles]] = {}
    for file in files:
        days.setdefault(file.day, []).append(file)
    batch: list[DayFiles] = []
    rows = 0
    for _, mine in sorted(days.items()):
        more = sum(file.rows for file in mine)
        if batch and rows + more > BATCH_ROWS:
            yield batch
            batch, rows = [], 0
        batch += mine
        rows += more
    if batch:
        yield batch
