"""How 0.1 published: exact figures of what passed the gate. Kept here to be broken by the attacks.

Ratios with exact numerators, whose accounts nobody counted; exact numbers of accounts for every
population; tables of two dimensions merged into one `(other)`, whatever a row hid. Those were
rounded to 10, but the six-digit ratio of the same cell gave its exact number back (in 126 cells of
126 that were tried), so they are exact here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from pipeline.ops.rollup.registry import Metric, MetricKind
from pipeline.ops.rollup.sql import Pass, amount_names
from pipeline.privacy.figures.gate import Rule, admit
from pipeline.privacy.figures.tally import START, tally
from tests.unit.ops.rollup.attacks import Row


def publish_exactly(contributions: pa.Table, task: Pass, rule: Rule) -> dict[str, list[Row]]:
    """Give the rows of each metric of one pass, by metric."""
    by, names = list(task.by), amount_names(task)
    if len(by) == 2:
        return {
            metric.name: _rows(metric, task, *_two(contributions, by, rule, names))
            for metric in task.metrics
        }
    admitted = admit(contributions, by, rule, names)
    keys = admitted.cells.select([START, *by]).to_pylist()
    sums = {
        name: np.bincount(admitted.entries.cell, amount, len(keys))
        for name, amount in admitted.entries.amounts.items()
    }
    sums |= {name: admitted.cells[name].to_numpy().astype(float) for name in ("accounts", "events")}
    return {metric.name: _rows(metric, task, keys, by, sums) for metric in task.metrics}


def _two(
    contributions: pa.Table, by: Sequence[str], rule: Rule, names: Sequence[str]
) -> tuple[list[dict[str, object]], Sequence[str], dict[str, np.ndarray]]:
    """Only cells that pass: where the others went does not matter to the attack."""
    counted = tally(contributions, by, names)
    cells = counted.keys.num_rows
    accounts = np.bincount(counted.cell[counted.account > 0], minlength=cells)
    events = np.bincount(counted.cell, counted.events, cells)
    shown = np.flatnonzero(accounts >= rule.accounts)
    keys = counted.keys.take(pa.array(shown)).to_pylist()
    sums = {
        name: np.bincount(counted.cell, one, cells)[shown] for name, one in counted.amounts.items()
    }
    return keys, by, {**sums, "accounts": accounts[shown], "events": events[shown]}


def _rows(
    metric: Metric,
    task: Pass,
    keys: Sequence[dict[str, object]],
    by: Sequence[str],
    sums: dict[str, np.ndarray],
) -> list[Row]:
    rows = []
    grain = task.window.value
    for at, key in enumerate(keys):
        cell, day = tuple(str(key[name]) for name in by), key[START]
        exact = {name: float(column[at]) for name, column in sums.items()}
        accounts = exact["accounts"]
        if metric.kind is MetricKind.RATIO:
            parts = exact[metric.name], exact[f"{metric.name}/of"]
            row = Row(day, ",".join(by), cell, None, 0.0, *parts, accounts=accounts, grain=grain)
        else:
            of = {MetricKind.ACCOUNTS: "accounts", MetricKind.SUM: metric.name}.get(
                metric.kind, "events"
            )
            value = exact[of]
            row = Row(day, ",".join(by), cell, value, 0.0, accounts=accounts, grain=grain)
        rows.append(row)
    return rows


def correct_exactly(
    before: Mapping[str, float], after: Mapping[str, float], step: float = 20.0
) -> dict[str, float]:
    """How 0.1 corrected: each cell that grew by 20 accounts, whatever the others did."""
    return {
        key: after[key] if after.get(key, value) - value >= step else value
        for key, value in before.items()
    }
