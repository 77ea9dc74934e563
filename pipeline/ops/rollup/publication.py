"""From contributions to the rows of a publication: gate first, then perturbed figures.

Nothing here reads a file, and no token leaves a function: everything that goes out has passed
`privacy.figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ops.rollup.figures import (
    EVENTS_FOR_PERCENTILES,
    Cells,
    Columns,
    RecordKeys,
    cells_of,
    figure,
)
from pipeline.ops.rollup.registry import Metric
from pipeline.ops.rollup.sql import Pass, amount_names
from pipeline.ops.rollup.windows import span_of
from pipeline.privacy.figures.gate import Rule, admit
from pipeline.privacy.figures.perturbation import Perturbation
from pipeline.privacy.figures.tally import START, Bools, Floats
from pipeline.privacy.identity.epochs import EpochKind

Origin = Callable[[Metric, Pass, date], str]
"""Says what a window of a metric's table is made of: `made_of.MadeOf`."""

KEYS = ("grain", "cut", "first_day", "key1", "key2")
"""What names a cell of a publication; the first three name the table of one window."""

MEASURES = (
    "value", "error", "under", "over", "numerator", "denominator", "p50", "p90", "p95", "p99",
)  # fmt: skip

PUBLISHED = pa.schema(
    [
        pa.field("grain", pa.string(), nullable=False),
        pa.field("cut", pa.string(), nullable=False),
        pa.field("first_day", pa.date32(), nullable=False),
        pa.field("last_day", pa.date32(), nullable=False),
        pa.field("key1", pa.string(), nullable=False),
        pa.field("key2", pa.string(), nullable=False),
        *(pa.field(name, pa.float64()) for name in MEASURES),
        pa.field("accounts", pa.int64()),
        pa.field("made_of", pa.string()),
        pa.field("revision", pa.int16(), nullable=False),
        pa.field("published_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
"""Columns of every file under `<lake>/rollups/`. `cut`: the dimensions, separated by commas;
`key1`, `key2`: the cell, empty where there is no such dimension. `accounts`: at least this many, in
steps of the smallest group. `made_of`: see `made_of`; null for the pipeline's counts."""


@dataclass(frozen=True, slots=True)
class Method:
    """How contributions become publications; the same for every pass of a run."""

    epoch: EpochKind
    rule: Rule
    noise: Perturbation
    at: datetime


def publish(
    contributions: pa.Table,
    task: Pass,
    starts: Sequence[date],
    method: Method,
    record_keys: RecordKeys,
    made_of: Origin,
) -> tuple[dict[str, pa.Table], pa.Table]:
    """Make one pass's publication for the windows that begin on `starts`.

    Returns the rows of each metric (schema `PUBLISHED`, revision 0), and what the gate hid:
    start and `share` of the events, null where no part of the window is published.
    """
    rule = method.rule
    if task.column:
        rule = replace(rule, events=max(rule.events, EVENTS_FOR_PERCENTILES))
    contributions = _only(contributions, starts)
    admitted = admit(contributions, task.by, rule, amount_names(task))
    cells = cells_of(admitted, rule, method.noise, record_keys)
    rows = {
        metric.name: _rows(
            figure(metric, cells, contributions, task.by), cells, metric, task, method, made_of
        )
        for metric in task.metrics
    }
    return rows, _hidden(cells, pc.unique(contributions[START]))


def _only(table: pa.Table, starts: Sequence[date]) -> pa.Table:
    wanted = pa.array(starts, pa.date32())
    if pc.all(pc.is_in(pc.unique(table[START]), value_set=wanted)).as_py():
        return table
    return table.filter(pc.is_in(table[START], value_set=wanted))


def _hidden(cells: Cells, starts: pa.Array) -> pa.Table:
    """The share of each window's events in `(other)`, from perturbed sums."""
    shown = cells.admitted.cells
    at = pc.index_in(shown[START], value_set=starts).to_numpy()
    every = np.bincount(at, cells.events.values, len(starts))
    other = np.bincount(at, cells.events.values * _merged(cells), len(starts))
    share = np.divide(other, every, out=np.full(len(starts), np.nan), where=every > 0)
    return pa.table({START: starts, "share": pa.array(np.round(share, 2), from_pandas=True)})


def _merged(cells: Cells) -> Bools:
    """Which cells stand for several cells."""
    labels = cells.admitted.labels
    merged = np.zeros(cells.count, bool)
    for name in labels.column_names:
        if f"to_{name}" in labels.column_names:
            moved = pc.not_equal(labels[name], labels[f"to_{name}"]).to_numpy()
            merged[labels["row"].to_numpy()[moved]] = True
    return merged


def _three_digits(numbers: Floats) -> Floats:
    """Round, so that the order in which floats were added does not show."""
    size = np.floor(np.log10(np.maximum(np.nan_to_num(numbers), 1e-12)))
    digit = 10.0 ** (size - 2)
    return np.asarray(np.rint(numbers / digit) * digit)


def _rows(
    measures: Columns,
    cells: Cells,
    metric: Metric,
    task: Pass,
    method: Method,
    made_of: Origin,
) -> pa.Table:
    shown = np.zeros(cells.count, bool)
    for name, column in measures.items():
        if name not in ("error", "denominator"):
            shown |= ~np.isnan(column)
    table = cells.admitted.cells
    if metric.whole:
        firsts = table[START].to_numpy()
        shown &= ~np.isin(firsts, firsts[_merged(cells)])
    count = len(shown)
    empty = pa.array([""] * count, pa.string())
    starts = table[START].to_pylist()
    origins = {start: made_of(metric, task, start) for start in dict.fromkeys(starts)}
    ends = [span_of(day, task.window, method.epoch).end for day in starts]
    step = method.rule.accounts
    accounts = np.maximum(cells.accounts.values // step * step, step).astype(np.int64)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "grain": pa.array([task.window.value] * count, pa.string()),
        "cut": pa.array([",".join(task.by)] * count, pa.string()),
        "first_day": table[START],
        "last_day": pa.array(ends, pa.date32()),
        "key1": table[task.by[0]] if task.by else empty,
        "key2": table[task.by[1]] if len(task.by) > 1 else empty,
        "accounts": pa.array(accounts),
        "made_of": pa.array([origins[start] for start in starts], pa.string()),
        "revision": pa.array([0] * count, pa.int16()),
        "published_at": pa.array([method.at] * count, pa.timestamp("us", "UTC")),
    }
    for name in MEASURES:
        held = measures.get(name)
        if name == "error" and held is not None:
            held = _three_digits(held)
        columns[name] = (
            pa.nulls(count, pa.float64()) if held is None else pa.array(held, from_pandas=True)
        )
    whole = pa.table({field.name: columns[field.name] for field in PUBLISHED}).cast(PUBLISHED)
    return whole.filter(pa.array(shown))
