"""From contributions to the rows of a publication: gate first, then numbers.

Nothing here reads a file or a token that leaves the function: what goes out has passed
`privacy.gate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ops.rollup_query import Answers
from pipeline.ops.rollup_registry import Kind, Metric
from pipeline.ops.rollup_sql import Pass
from pipeline.ops.rollup_windows import span_of
from pipeline.privacy.epochs import EpochKind
from pipeline.privacy.gate import Admitted, Rule, admit, relabel, rounded
from pipeline.privacy.tally import START, SUBJECT

KEYS = ("grain", "cut", "first_day", "key1", "key2")
"""What names a cell of a publication; the first three name the table of one window."""

PUBLISHED = pa.schema(
    [
        pa.field("grain", pa.string(), nullable=False),
        pa.field("cut", pa.string(), nullable=False),
        pa.field("first_day", pa.date32(), nullable=False),
        pa.field("last_day", pa.date32(), nullable=False),
        pa.field("key1", pa.string(), nullable=False),
        pa.field("key2", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("numerator", pa.float64()),
        pa.field("denominator", pa.float64()),
        pa.field("p50", pa.float64()),
        pa.field("p90", pa.float64()),
        pa.field("p95", pa.float64()),
        pa.field("p99", pa.float64()),
        pa.field("accounts", pa.int64()),
        pa.field("revision", pa.int16(), nullable=False),
        pa.field("published_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
"""Columns of every file under `<lake>/rollups/`. `cut`: the dimensions, comma between them;
`key1`, `key2`: the cell, empty where there is no such dimension."""

EVENTS_FOR_PERCENTILES = 100
EVENTS_FOR_P99 = 1000


def publish(
    answers: Answers, task: Pass, starts: Sequence[date], epoch: EpochKind, rule: Rule, at: datetime
) -> tuple[dict[str, pa.Table], pa.Table]:
    """Make one pass's publication for the windows that begin on `starts` of what was asked.

    Returns the rows of each metric (schema `PUBLISHED`, revision 0), and what the gate hid:
    start, cells, hidden_cells, events, hidden_events.
    """
    if task.column:
        rule = replace(rule, events=max(rule.events, EVENTS_FOR_PERCENTILES))
    if len(task.by) < 2:
        rule = replace(rule, rounding=1)
    contributions = _only(answers.contributions, starts)
    admitted = admit(contributions, task.by, rule)
    cells = admitted.cells
    if answers.histogram is not None:
        histogram = relabel(_only(answers.histogram, starts), admitted, task.by)
        metric = task.metrics[0]
        numbers = _percentiles(histogram, task.by, metric.quantiles, metric.edges)
        cells = cells.join(numbers, keys=[START, *task.by], join_type="inner")
        published = {other.name: cells for other in task.metrics}
    else:
        if answers.amounts is not None:
            sums = _added_up(_only(answers.amounts, starts), admitted, task.by)
            cells = cells.join(sums, keys=[START, *task.by], join_type="inner")
        published = _numbers(contributions, cells, task, rule)
    rows = {name: _rows(cells, task, epoch, rule, at) for name, cells in published.items()}
    return rows, admitted.hidden


def _added_up(amounts: pa.Table, admitted: Admitted, by: Sequence[str]) -> pa.Table:
    """The amounts of each published cell, added in the order of its parts."""
    keys = [START, *by]
    names = [name for name in amounts.column_names if name not in keys]
    parts = amounts.sort_by([(name, "ascending") for name in keys])
    sums = relabel(parts, admitted, by).group_by(keys, use_threads=False)
    added = sums.aggregate([(name, "sum") for name in names])
    return added.select([*keys, *(f"{name}_sum" for name in names)]).rename_columns([*keys, *names])


def _only(table: pa.Table, starts: Sequence[date]) -> pa.Table:
    wanted = pa.array(starts, pa.date32())
    if pc.all(pc.is_in(pc.unique(table[START]), value_set=wanted)).as_py():
        return table
    return table.filter(pc.is_in(table[START], value_set=wanted))


def _numbers(
    contributions: pa.Table, cells: pa.Table, task: Pass, rule: Rule
) -> dict[str, pa.Table]:
    """Make each metric's number of what the published cells hold."""
    if any(metric.kind is Kind.SHARE for metric in task.metrics):
        accounts = pc.dictionary_encode(contributions[SUBJECT].combine_chunks()).indices
        whole = pa.table({START: contributions[START], SUBJECT: accounts})
        everybody = whole.group_by(START, use_threads=False).aggregate(
            [(SUBJECT, "count_distinct")]
        )
        cells = cells.join(everybody.rename_columns([START, "everybody"]), keys=START)
    return {metric.name: _finish(cells, metric, rule) for metric in task.metrics}


def _finish(cells: pa.Table, metric: Metric, rule: Rule) -> pa.Table:
    def floats(name: str) -> pa.ChunkedArray:
        return pc.cast(cells[name], pa.float64())

    def counts(name: str) -> pa.ChunkedArray:
        return pc.cast(
            rounded(pc.cast(pc.round(cells[name]), pa.int64()), rule.rounding), pa.float64()
        )

    match metric.kind:
        case Kind.COUNT:
            added = {"value": counts("events")}
        case Kind.ACCOUNTS:
            added = {"value": counts("accounts")}
        case Kind.SUM:
            added = {"value": pc.round(floats(metric.name), ndigits=3)}
        case Kind.SHARE:
            added = {
                "value": pc.round(pc.divide(floats("accounts"), floats("everybody")), ndigits=4)
            }
        case Kind.PER_ACCOUNT:
            added = {"value": pc.round(pc.divide(floats("events"), floats("accounts")), ndigits=1)}
        case _:
            above, below = cells[metric.name], cells[f"{metric.name}/of"]
            below = pc.if_else(pc.greater(below, 0.0), below, pa.scalar(None, pa.float64()))
            added = {"value": pc.round(pc.divide(above, below), ndigits=6)}
            if rule.rounding == 1:
                added |= {"numerator": above, "denominator": below}
    for name, column in added.items():
        cells = cells.append_column(name, column)
    return cells.filter(pc.is_valid(cells["value"]))


def _percentiles(
    histogram: pa.Table, by: Sequence[str], quantiles: Sequence[int], edges: Sequence[float]
) -> pa.Table:
    """The quantiles of each cell, interpolated inside the bucket."""
    keys = [START, *by]
    table = histogram.group_by([*keys, "bucket"], use_threads=False).aggregate([("events", "sum")])
    table = table.sort_by([(name, "ascending") for name in [*keys, "bucket"]])
    cells: dict[tuple[object, ...], tuple[list[float], list[int]]] = {}
    columns = [table[name].to_pylist() for name in [*keys, "bucket", "events_sum"]]
    for *labels, bucket, events in zip(*columns, strict=True):
        values, counts = cells.setdefault(tuple(labels), ([], []))
        values.append(bucket)
        counts.append(events)
    data: dict[str, list[object]] = {name: [] for name in keys}
    data |= {f"p{quantile}": [] for quantile in quantiles}
    for key, (values, counts) in cells.items():
        for name, part in zip(keys, key, strict=True):
            data[name].append(part)
        for quantile in quantiles:
            few = sum(counts) < (EVENTS_FOR_P99 if quantile > 95 else EVENTS_FOR_PERCENTILES)
            data[f"p{quantile}"].append(
                None
                if few
                else quantile_of(np.array(values), np.array(counts), quantile / 100, edges)
            )
    types = {START: pa.date32()} | {f"p{quantile}": pa.float64() for quantile in quantiles}
    return pa.table({n: pa.array(column, types.get(n, pa.string())) for n, column in data.items()})


def quantile_of(
    values: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    q: float,
    edges: Sequence[float] = (),
) -> float:
    """The q-quantile of bucketed values, given each bucket's stored value and count.

    With `edges` a stored value is the lower edge of its bucket and the bucket is taken to be
    evenly filled up to the next edge (the last edge is never passed). Without, it is the
    geometric mean of a quarter octave, evenly filled on a log scale. Zero stays zero there.

    >>> quantile_of(np.array([100.0, 119.0]), np.array([50, 50]), 0.5)
    109.1
    >>> quantile_of(np.array([60.0]), np.array([10]), 0.5, [0, 60, 300])
    180.0
    """
    reached = np.cumsum(counts)
    rank = q * reached[-1]
    at = min(int(np.searchsorted(reached, rank)), len(values) - 1)
    value = float(values[at])
    into = float((rank - (reached[at] - counts[at])) / counts[at])
    if edges:
        above = [edge for edge in edges if edge > value]
        return round(value + into * (above[0] - value), 1) if above else value
    return round(value * 2.0 ** ((into - 0.5) / 4), 1) if value > 0.0 else 0.0


def _rows(cells: pa.Table, task: Pass, epoch: EpochKind, rule: Rule, at: datetime) -> pa.Table:
    count = cells.num_rows
    empty = pa.array([""] * count, pa.string())
    ends = [span_of(day, task.window, epoch).end for day in cells[START].to_pylist()]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "grain": pa.array([task.window.value] * count, pa.string()),
        "cut": pa.array([",".join(task.by)] * count, pa.string()),
        "first_day": cells[START],
        "last_day": pa.array(ends, pa.date32()),
        "key1": cells[task.by[0]] if task.by else empty,
        "key2": cells[task.by[1]] if len(task.by) > 1 else empty,
        "accounts": rounded(cells["accounts"], rule.rounding),
        "revision": pa.array([0] * count, pa.int16()),
        "published_at": pa.array([at] * count, pa.timestamp("us", "UTC")),
    }
    for field in PUBLISHED:
        if field.name not in columns:
            held = field.name in cells.column_names
            columns[field.name] = cells[field.name] if held else pa.nulls(count, field.type)
    return pa.table({field.name: columns[field.name] for field in PUBLISHED}).cast(PUBLISHED)
