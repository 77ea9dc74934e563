"""The release gate: what of an aggregate may be published, and what a correction may reveal.

Rows of the lake are pseudonymous; only what passed this gate may be called an aggregate of
people. The gate counts *accounts* (distinct subject tokens), never events, and it counts
them before anything is rounded. A cell that fails is not deleted but merged into `(other)`,
so that a table's cells always add up to its total and nobody can subtract his way to the
hidden one. Publications are frozen; `revise` decides what a recomputation may change.

This is a threshold with suppression, not differential privacy: it protects against reading a
person off a table, not against somebody who knows 19 of 20 accounts.

Pure: Arrow tables in, Arrow tables out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SettingsError
from pipeline.privacy.tally import START, Ints, Tally, tally

FEWEST_ACCOUNTS = 11
"""No setting may lower the minimum group size below this."""

OTHER = "(other)"
"""Stands for all the cells of a table that may not stand alone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a cell needs to stand alone.

    `accounts`: distinct accounts (floor 11). `share`: the largest account's part of the cell's
    events, at most. `events`: events, for percentiles. `rounding`: multiple to which
    published counts are rounded, 1 for no rounding.
    """

    accounts: int = 20
    share: float = 0.8
    events: int = 1
    rounding: int = 1

    def __post_init__(self) -> None:
        if self.accounts < FEWEST_ACCOUNTS:
            raise SettingsError(
                "the minimum group size is below its floor",
                where="rollup.min_accounts",
                remedy=f"Use {FEWEST_ACCOUNTS} or more; 20 is the default.",
            )
        if not 0.0 < self.share <= 0.8:
            raise SettingsError(
                "the largest account's share is outside (0, 0.8]",
                where="rollup.max_share",
                remedy="Use 0.8, or less to be stricter.",
            )
        if self.rounding < 1 or self.events < 1:
            raise SettingsError(
                "rounding and the fewest events are whole numbers of at least 1", where="rollup"
            )


@dataclass(frozen=True, slots=True)
class Admitted:
    """Which cells of a table may be published, window by window.

    `labels`: start, the cell's columns, and `to_<column>` for each: the cell under which it is
    published. Cells of windows that may not be published at all are absent.
    `cells`: start, the published cell's columns, accounts, events, `parts` (cells merged in).
    `hidden`: start, cells, hidden_cells, events, hidden_events for every window seen.
    """

    labels: pa.Table
    cells: pa.Table
    hidden: pa.Table


def admit(contributions: pa.Table, dimensions: Sequence[str], rule: Rule) -> Admitted:
    """Decide which cells may be published, on what every account contributed to each.

    `contributions` has `start`, the `dimensions` (text or dictionaries of text, never null),
    `subject` (any type, null for events without an account) and `events` (int64). Several rows
    for one account and cell add up. Events without an account count as those of one unknown
    account for dominance, and as none for the minimum group size: both err on the side of hiding.

    A failing cell joins `(other)`; while `(other)` fails, the smallest passing cell (fewest
    accounts, then name) joins it as well; when none is left the window is not published.
    """
    counted = tally(contributions, dimensions)
    starts = counted.keys[START].to_numpy(zero_copy_only=False)
    cells = len(starts)
    new = np.append(True, starts[1:] != starts[:-1]) if cells else np.zeros(0, bool)
    borders = [*np.flatnonzero(new).tolist(), cells]
    accounts, events, largest = _weigh(counted.cell, counted.account, counted.events, cells)
    passes = _passes(accounts, events, largest, rule)
    target = np.arange(cells)
    """The cell that stands for each cell; -1: not published; the first part of `(other)`."""
    failing = [slice(*window) for window in pairwise(borders) if not passes[slice(*window)].all()]
    doubtful = np.zeros(cells, bool)
    for window in failing:
        doubtful[window] = True
    counted = counted.of_cells(doubtful)
    for window in failing:
        _settle(counted, window, accounts, passes, target, rule, bool(dimensions))
    kept = np.flatnonzero(target >= 0)
    merged = np.zeros(cells, bool)
    merged[kept] = np.isin(target[kept], target[kept][~passes[kept]])
    return Admitted(
        _labels(counted.keys, dimensions, kept, merged),
        _published(counted, dimensions, target, merged, (accounts, events)),
        _hidden(counted.keys, events, (target < 0) | merged),
    )


def _weigh(cell: Ints, account: Ints, events: Ints, cells: int) -> tuple[Ints, Ints, Ints]:
    """Give accounts, events and the largest account's events of every cell."""
    accounts = np.bincount(cell[account > 0], minlength=cells).astype(np.int64)
    total = np.bincount(cell, weights=events, minlength=cells).astype(np.int64)
    largest = np.zeros(cells, np.int64)
    np.maximum.at(largest, cell, events)
    return accounts, total, largest


def _passes(accounts: Ints, events: Ints, largest: Ints, rule: Rule) -> npt.NDArray[np.bool_]:
    enough: npt.NDArray[np.bool_] = (accounts >= rule.accounts) & (events >= rule.events)
    return enough & (largest <= rule.share * events)


def _settle(
    counted: Tally,
    window: slice,
    accounts: Ints,
    passes: npt.NDArray[np.bool_],
    target: Ints,
    rule: Rule,
    may_merge: bool,
) -> None:
    """Merge one window's failing cells in `target` until `(other)` passes, or give it up."""
    cells = np.arange(window.start, window.stop)
    parts = list(cells[~passes[window]])
    alone = list(cells[passes[window]])
    alone.sort(key=lambda cell: (accounts[cell], cell), reverse=True)
    rows = slice(*np.searchsorted(counted.cell, [window.start, window.stop]))
    cell, account, events = counted.cell[rows], counted.account[rows], counted.events[rows]
    while may_merge:
        chosen = np.isin(cell, parts)
        whose = account[chosen]
        people, inverse = np.unique(whose, return_inverse=True)
        amounts = np.bincount(inverse, weights=events[chosen]).astype(np.int64)
        weight = [int((people > 0).sum()), int(amounts.sum()), int(amounts.max(initial=0))]
        accounted, happened, most = (np.array([number]) for number in weight)
        if _passes(accounted, happened, most, rule)[0]:
            target[parts] = min(parts)
            return
        if not alone:
            break
        parts.append(alone.pop())
    target[window] = -1


def _labels(
    keys: pa.Table, dimensions: Sequence[str], kept: Ints, merged: npt.NDArray[np.bool_]
) -> pa.Table:
    labels = keys.take(pa.array(kept))
    under_other = pa.array(merged[kept])
    for name in dimensions:
        column = pc.if_else(under_other, OTHER, labels[name])
        labels = labels.append_column(f"to_{name}", column)
    return labels


def _published(
    counted: Tally,
    dimensions: Sequence[str],
    target: Ints,
    merged: npt.NDArray[np.bool_],
    alone: tuple[Ints, Ints],
) -> pa.Table:
    """Weigh the merged cells anew, as they are published: an account in two parts counts once."""
    cells = len(target)
    in_other = merged[counted.cell]
    cell, account = target[counted.cell[in_other]], counted.account[in_other]
    width = int(account.max(initial=0)) + 1
    key = np.sort(cell * width + account)
    once = key[np.append(True, key[1:] != key[:-1])] if len(key) else key
    people = np.bincount((once // width)[once % width > 0], minlength=cells)
    amounts = np.bincount(cell, weights=counted.events[in_other], minlength=cells)
    accounts = np.where(merged, people, alone[0])
    events = np.where(merged, amounts.astype(np.int64), alone[1])
    parts = np.bincount(target[target >= 0], minlength=cells)
    shown = np.flatnonzero(parts)
    table = _labels(counted.keys, dimensions, shown, merged)
    names = [START, *(f"to_{name}" for name in dimensions)]
    table = table.select(names).rename_columns([START, *dimensions])
    for name, numbers in (("accounts", accounts), ("events", events), ("parts", parts)):
        table = table.append_column(name, pa.array(numbers[shown], pa.int64()))
    return table


def _hidden(keys: pa.Table, events: Ints, hidden: npt.NDArray[np.bool_]) -> pa.Table:
    """Count per window how many cells, and how many of its events, do not stand alone."""
    counts = pa.table(
        {
            START: keys[START],
            "cells": pa.array(np.ones(len(events), np.int64)),
            "hidden_cells": pa.array(hidden.astype(np.int64)),
            "events": pa.array(events),
            "hidden_events": pa.array(np.where(hidden, events, 0)),
        }
    )
    names = [name for name in counts.column_names if name != START]
    sums = counts.group_by(START, use_threads=False).aggregate([(name, "sum") for name in names])
    return sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])


def relabel(measures: pa.Table, admitted: Admitted, dimensions: Sequence[str]) -> pa.Table:
    """Give `measures` the cells under which they are published; drop what is not published.

    `measures` has start, the dimensions and any columns; the result has the same columns. The
    caller adds up what now shares a cell.
    """
    joined = measures.join(
        admitted.labels, keys=[START, *dimensions], join_type="inner", use_threads=False
    )
    columns = {
        name: joined[f"to_{name}"] if name in dimensions else joined[name]
        for name in measures.column_names
    }
    return pa.table(columns)


def rounded(counts: pa.ChunkedArray, multiple: int) -> pa.ChunkedArray:
    """Round whole numbers to the nearest `multiple`, halves up; 1 leaves them alone."""
    if multiple == 1:
        return counts
    up = pc.add(counts, multiple // 2)
    return pc.multiply(pc.divide(up, multiple), multiple)
