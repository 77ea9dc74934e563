"""The release gate: what may be published of an aggregate, and what a correction may reveal.

Rows of the lake are pseudonymous; only what has passed this gate may be called an aggregate of
people. The gate counts *accounts* (distinct subject tokens), never events, and it counts
them before anything is perturbed. A cell that fails is not deleted but merged into `(other)`,
so that nobody can derive it by subtraction from a table's total. In a table of two dimensions the
same holds for every row and column, because the tables of one dimension are its margins: a row
hides either nothing or a part that passes the gate as a whole.

The gate decides what is shown; `perturbation` makes the numbers. Publications are frozen;
`revisions` decides what a recomputation may change. This is not differential privacy: it protects
against reading a person off the tables, not against somebody who knows 19 of 20 accounts.

Pure: Arrow tables in, Arrow tables out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SettingsError
from pipeline.privacy.figures.tally import START, AccountTally, Bools, Floats, Ints, tally

FEWEST_ACCOUNTS = 11
"""No setting may lower the minimum group size below this."""

OTHER = "(other)"
"""Stands for all the cells of a table that may not stand alone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a cell needs to stand alone.

    `accounts`: distinct accounts (floor 11). `share`: the largest account's part of the cell's
    events, at most. `events`: events, for percentiles.
    """

    accounts: int = 20
    share: float = 0.8
    events: int = 1

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
        if self.events < 1:
            raise SettingsError(
                "the fewest events are a whole number of at least 1", where="rollup"
            )


@dataclass(frozen=True, slots=True)
class Admitted:
    """Which cells of a table may be published, window by window.

    `labels`: start, the cell's columns, `to_<column>` for each: the cell under which it is
    published, and `row`: where that is in `cells`. Cells of windows that may not be published at
    all are absent.
    `cells`: start, the published cell's columns, accounts, events, `parts` (cells merged in).
    `parts` is 1 where a cell stands for itself. `entries`: what each account contributed to each
    published cell, the n-th row of `cells`. Neither leaves the process unperturbed.
    """

    labels: pa.Table
    cells: pa.Table
    entries: AccountTally


def admit(
    contributions: pa.Table, dimensions: Sequence[str], rule: Rule, amounts: Sequence[str] = ()
) -> Admitted:
    """Decide which cells may be published, from what every account contributed to each.

    `contributions` has `start`, the `dimensions` (text or dictionaries of text, never null),
    `subject` (any type, null for events without an account) and `events` (int64). Several rows
    for one account and cell add up, and so do the columns named by `amounts` (float64). Events
    without an account count as those of one unknown account for dominance, and as none for the
    minimum group size: both err on the side of hiding.

    A failing cell joins `(other)`; while `(other)` fails, the smallest passing cell (fewest
    accounts, then name) joins it as well; when none is left the window is not published.
    """
    counted = tally(contributions, dimensions, amounts)
    target, passes = _targets(counted, dimensions, rule)
    kept = np.flatnonzero(target >= 0)
    merged = np.zeros(len(target), bool)
    merged[kept] = np.isin(target[kept], target[kept][~passes[kept]])
    cells, entries, row = _published(counted, dimensions, target, merged)
    labels = _labels(counted.keys, dimensions, kept, merged)
    return Admitted(labels.append_column("row", pa.array(row[target[kept]])), cells, entries)


def _targets(
    counted: AccountTally, dimensions: Sequence[str], rule: Rule
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the cell that stands for each cell, and which cells pass by themselves.

    -1: not published; the first part stands for `(other)`.
    """
    starts = counted.keys[START].to_numpy(zero_copy_only=False)
    cells = len(starts)
    new = np.append(True, starts[1:] != starts[:-1]) if cells else np.zeros(0, bool)
    borders = [*np.flatnonzero(new).tolist(), cells]
    accounts, events, largest = _weigh(counted.cell, counted.account, counted.events, cells)
    passes = _passes(accounts, events, largest, rule)
    target = np.arange(cells)
    failing = [slice(*window) for window in pairwise(borders) if not passes[slice(*window)].all()]
    doubtful = np.zeros(cells, bool)
    for window in failing:
        doubtful[window] = True
    margins = _margins(counted, dimensions, rule) if len(dimensions) > 1 and failing else ()
    counted = counted.of_cells(doubtful)
    for window in failing:
        _settle(counted, window, accounts, passes, target, rule, margins, bool(dimensions))
    return target, passes


def _margins(counted: AccountTally, dimensions: Sequence[str], rule: Rule) -> list[Ints]:
    """Return for each dimension which cell of its own published table a cell belongs to."""
    margins = []
    for name in dimensions:
        keys = counted.keys.select([START, name])
        rows = list(zip(*(keys[column].to_pylist() for column in (START, name)), strict=True))
        place = {row: number for number, row in enumerate(sorted(set(rows)))}
        into = np.array([place[row] for row in rows], np.int64)
        first = np.unique(into, return_index=True)[1]
        narrow = counted.moved(into, keys.take(pa.array(first)))
        target, _ = _targets(replace(narrow, amounts={}), [name], rule)
        margins.append(target[into])
    return margins


def _weigh(cell: Ints, account: Ints, events: Ints, cells: int) -> tuple[Ints, Ints, Ints]:
    """Return accounts, events and the largest account's events for every cell."""
    accounts = np.bincount(cell[account > 0], minlength=cells).astype(np.int64)
    total = np.bincount(cell, weights=events, minlength=cells).astype(np.int64)
    largest = np.zeros(cells, np.int64)
    np.maximum.at(largest, cell, events)
    return accounts, total, largest


def holds(accounts: Ints, total: Ints | Floats, largest: Ints | Floats, rule: Rule) -> Bools:
    """Tell for each cell whether it has enough accounts and none of them dominates its total."""
    enough: Bools = accounts >= rule.accounts
    return enough & (largest <= rule.share * total)


def _passes(accounts: Ints, events: Ints, largest: Ints, rule: Rule) -> npt.NDArray[np.bool_]:
    return holds(accounts, events, largest, rule) & (events >= rule.events)


def _settle(
    counted: AccountTally,
    window: slice,
    accounts: Ints,
    passes: npt.NDArray[np.bool_],
    target: Ints,
    rule: Rule,
    margins: Sequence[Ints],
    may_merge: bool,
) -> None:
    """Merge one window's failing cells in `target` until `(other)` passes, or give it up.

    With `margins`, the hidden part of each margin's cell passes as well, or is all of it.
    """
    cells = np.arange(window.start, window.stop)
    parts = set(cells[~passes[window]].tolist())
    alone = cells[passes[window]].tolist()
    alone.sort(key=lambda cell: (accounts[cell], cell), reverse=True)
    borders = np.searchsorted(counted.cell, np.arange(window.start, window.stop + 1))

    def hide_more(group: Collection[int]) -> bool | None:
        """Hide the group's smallest cell if what it hides fails; None if it is all hidden."""
        hidden = [cell for cell in group if cell in parts]
        if not hidden or _union_passes(counted, hidden, borders, window.start, rule):
            return False
        shown = [cell for cell in alone if cell not in parts and cell in group]
        if not shown:
            return None
        parts.add(shown[-1])
        return True

    groups = [
        frozenset(cells[margin[window] == one].tolist())
        for margin in margins
        for one in np.unique(margin[window])
    ]
    whole = frozenset(cells.tolist())
    while may_merge:
        more = [hide_more(group) for group in groups]
        overall = hide_more(whole)
        if overall is None:
            break
        if not overall and not any(more):
            target[sorted(parts)] = min(parts)
            return
    target[window] = -1


def _union_passes(
    counted: AccountTally, cells: Sequence[int], borders: Ints, first: int, rule: Rule
) -> bool:
    rows = np.concatenate([np.arange(borders[c - first], borders[c - first + 1]) for c in cells])
    people, inverse = np.unique(counted.account[rows], return_inverse=True)
    amounts = np.bincount(inverse, weights=counted.events[rows]).astype(np.int64)
    weight = [int((people > 0).sum()), int(amounts.sum()), int(amounts.max(initial=0))]
    accounted, happened, most = (np.array([number]) for number in weight)
    return bool(_passes(accounted, happened, most, rule)[0])


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
    counted: AccountTally, dimensions: Sequence[str], target: Ints, merged: npt.NDArray[np.bool_]
) -> tuple[pa.Table, AccountTally, Ints]:
    """Weigh the cells as they are published: an account in two parts counts once."""
    parts = np.bincount(target[target >= 0], minlength=len(target))
    shown = np.flatnonzero(parts)
    names = [START, *(f"to_{name}" for name in dimensions)]
    table = _labels(counted.keys, dimensions, shown, merged)
    table = table.select(names).rename_columns([START, *dimensions])
    row = np.full(len(target) + 1, -1)
    row[shown] = np.arange(len(shown))
    entries = counted.moved(row[target], table)
    accounts, events, _ = _weigh(entries.cell, entries.account, entries.events, len(shown))
    for name, numbers in (("accounts", accounts), ("events", events), ("parts", parts[shown])):
        table = table.append_column(name, pa.array(numbers, pa.int64()))
    return table, entries, row
