"""Attacks on published figures: from everything that is published to counts of a few accounts.

Each takes publications (rows by metric, as any reader has them) and gives an estimate for each of
its targets; the truth is counted from the rows, and a hit is an estimate within 2. What it is
measured against is guessing: the best constant for those targets, chosen with the truth in hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.stats import binom

from pipeline.privacy.figures.gate import OTHER

WITHIN = 2

AUDIENCE = ("accounts_by_country", "accounts_by_client")
"""Metrics of one population, whose tables are each other's margins."""


@dataclass(frozen=True, slots=True)
class Row:
    """One published cell."""

    day: object
    cut: str
    key: tuple[str, ...]
    value: float | None
    most: float
    """How far the value may be from the truth."""
    numerator: float | None = None
    denominator: float | None = None
    under: float | None = None
    over: float | None = None
    accounts: float | None = None
    steps: float = 0.0
    """In steps of how many accounts `accounts` is said."""
    grain: str = "week"


Published = Mapping[str, Sequence[Row]]
Cell = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How often an attack was right, and how often guessing is."""

    attack: str
    targets: int
    hits: float
    guess: float

    @property
    def better(self) -> bool:
        """Whether it is right more often than guessing: by chance once in a hundred times."""
        right = round(self.hits * self.targets)
        return bool(binom.sf(right - 1, self.targets, self.guess) < 0.01) if self.targets else False


def score(attack: str, estimates: Mapping[Any, float], truth: Mapping[Any, float]) -> Score:
    """Compare estimates with the truth; a target without an estimate is a miss."""
    if not truth:
        return Score(attack, 0, 0.0, 0.0)
    real = np.array(list(truth.values()))
    hits = np.mean(
        [abs(estimates.get(cell, np.inf) - one) <= WITHIN for cell, one in truth.items()]
    )
    guesses = [np.mean(np.abs(real - constant) <= WITHIN) for constant in np.unique(np.round(real))]
    return Score(attack, len(real), float(hits), float(max(guesses)))


def numerators(published: Published, metric: str) -> dict[Cell, float]:
    """Ratios against counts: what a ratio counts, from its parts, its value or its limit."""
    found: dict[Cell, float] = {}
    for row in published[metric]:
        cell = (metric, row.day, row.cut, row.key)
        if row.numerator is not None:
            found[cell] = row.numerator
        elif row.value is not None and row.denominator:
            found[cell] = row.value * row.denominator
        elif row.under is not None and row.denominator:
            found[cell] = row.under * row.denominator / 2
    return found


def complements(published: Published, metric: str) -> dict[Cell, float]:
    """The same of what a ratio does not count."""
    found: dict[Cell, float] = {}
    for row in published[metric]:
        cell = (metric, row.day, row.cut, row.key)
        if row.numerator is not None and row.denominator is not None:
            found[cell] = row.denominator - row.numerator
        elif row.over is not None and row.denominator:
            found[cell] = (1 - row.over) * row.denominator / 2
    return found


def populations(published: Published, one: str, other: str) -> dict[Cell, float]:
    """Accounts of one population less those of another under the same cut."""
    theirs = {(row.day, row.cut, row.key): row.accounts for row in published[other]}
    found: dict[Cell, float] = {}
    for row in published[one]:
        accounts = theirs.get((row.day, row.cut, row.key))
        if accounts is not None and row.accounts is not None and OTHER not in row.key:
            found[one, other, row.day, row.cut, row.key] = row.accounts - accounts
    return found


def margins(
    published: Published, metric: str, cut: str, lists: Sequence[Sequence[str]]
) -> dict[Cell, float]:
    """A table of two dimensions against its margins: every hidden cell, by linear programming.

    Each named cell, row and column lies within its noise; what is not named is not negative. The
    attack claims a cell where the programs leave so little that their middle must be a hit.
    `lists`: the closed lists of both dimensions.
    """
    first, second = cut.split(",")
    found: dict[Cell, float] = {}
    for day in {row.day for row in published[metric] if row.cut == cut}:
        named = {row.key: row for row in published[metric]
                 if (row.day, row.cut) == (day, cut) and OTHER not in row.key}  # fmt: skip
        sides = [
            {
                row.key[0]: row
                for other in AUDIENCE
                for row in published[other]
                if (row.day, row.cut) == (day, name)
            }
            for name in (first, second)
        ]
        if not all(sides):
            continue
        found |= {
            (metric, day, cut, key): middle
            for key, middle in _hidden_cells(named, sides, lists).items()
        }
    return found


def _hidden_cells(
    named: Mapping[tuple[str, ...], Row],
    sides: Sequence[Mapping[str, Row]],
    lists: Sequence[Sequence[str]],
) -> dict[tuple[str, ...], float]:
    cells = [(a, b) for a in lists[0] for b in lists[1]]
    place = {cell: at for at, cell in enumerate(cells)}
    above, limits = [], []
    for side, table in enumerate(sides):
        for key, number in table.items():
            rest = [one for one in lists[side] if one not in table] if key == OTHER else [key]
            row = np.array([1.0 if cell[side] in rest else 0.0 for cell in cells])
            if number.value is not None:
                above += [row, -row]
                limits += [number.value + number.most, -(number.value - number.most)]
    bounds = []
    for cell in cells:
        known = named.get(cell)
        low, high = (0.0, None) if known is None or known.value is None else (
            max(known.value - known.most, 0.0), known.value + known.most)  # fmt: skip
        bounds.append((low, high))
    found: dict[tuple[str, ...], float] = {}
    for cell in (one for one in cells if one not in named):
        wanted = np.zeros(len(cells))
        wanted[place[cell]] = 1.0
        ends = [
            linprog(sign * wanted, np.array(above), np.array(limits), bounds=bounds, method="highs")
            for sign in (1.0, -1.0)
        ]
        low, high = ends[0].fun, None if ends[1].fun is None else -ends[1].fun
        if low is not None and high is not None and high - low <= 2 * WITHIN:
            found[cell] = (low + high) / 2
    return found


def rows_less_named(published: Published, metric: str, cut: str) -> dict[Cell, float]:
    """Plain arithmetic on the same: a margin's cell less the named cells of its row."""
    found: dict[Cell, float] = {}
    for at, name in enumerate(cut.split(",")):
        for row in published[metric]:
            if row.cut != name or OTHER in row.key or row.value is None:
                continue
            parts = [
                one.value
                for one in published[metric]
                if (one.day, one.cut) == (row.day, cut) and one.key[at] == row.key[0]
            ]
            if parts:
                found[metric, row.day, cut, name, row.key] = row.value - sum(
                    v or 0.0 for v in parts
                )
    return found
