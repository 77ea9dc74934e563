"""One linear program over everything that is published at once.

Unknowns are the counts that nobody published: events, accounts and parts of ratios of every cell of
every table, named or hidden, and of the whole. What ties them is what any reader knows: cells add
up to their margin and margins to the whole, days to their week, a part is no more than what it is
a part of, a population no more than the one that holds it, accounts no more than events, a whole no
more accounts than its cells together. Every published number is within its noise of the truth, and
the program looks for the truth that needs the least noise in all of them together; where nothing
is known at all it prefers a guess, so that whatever it says beyond guessing was published.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product

from scipy.optimize import linprog
from scipy.sparse import coo_array

from pipeline.ops.rollup.registry import MetricKind, Registry
from pipeline.privacy.figures.gate import OTHER
from pipeline.privacy.figures.ptable import BOUND
from tests.unit.ops.rollup.attacks import Published, Row

EVENTS, ACCOUNTS, PARTS = "events", "accounts", "parts"
HOLDS = {"served": "requests", "failed": "requests", "ended_sessions": "sessions"}
"""Which population each is a part of."""
PULL = 1e-4
"""Weight of a guess: nothing beside any published number."""

Unknown = tuple[str, str, str, object, str, tuple[str, ...]]
"""Population, what is counted, grain, first day, cut, key."""
Table = tuple[str, str, str, object, str]
"""The same without the key."""


@dataclass(slots=True)
class Program:
    """Unknowns, what ties them, and what a solution costs."""

    places: dict[Unknown, int] = field(default_factory=dict)
    _seen: set[tuple[object, ...]] = field(default_factory=set)
    _entries: dict[bool, list[tuple[int, int, float]]] = field(
        default_factory=lambda: {True: [], False: []}
    )
    _right: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})
    _cost: list[float] = field(default_factory=list)
    _bounds: list[tuple[float, float | None]] = field(default_factory=list)

    def unknown(self, name: Unknown) -> int:
        """The number of an unknown, which is not negative."""
        if name not in self.places:
            self.places[name] = self._variable(0.0)
        return self.places[name]

    def _variable(self, cost: float, most: float | None = None) -> int:
        self._cost.append(cost)
        self._bounds.append((0.0, most))
        return len(self._cost) - 1

    def tie(self, terms: Sequence[tuple[int, float]], right: float, *, equal: bool = True) -> None:
        """The terms add up to `right`, or to no more."""
        at = len(self._right[equal])
        self._entries[equal] += [(at, place, weight) for place, weight in terms]
        self._right[equal].append(right)

    def near(
        self, terms: Sequence[int], value: float, weight: float, most: float | None = None
    ) -> None:
        """The unknowns add up to a number, give or take `most` at `weight` each unit."""
        said = (tuple(terms), value, most)
        if said in self._seen:
            return  # many metrics repeat the number of accounts, and ratios what they divide by
        self._seen.add(said)
        over, under = self._variable(weight, most), self._variable(weight, most)
        self.tie([*((place, 1.0) for place in terms), (over, -1.0), (under, 1.0)], value)

    def solve(self) -> dict[Unknown, float]:
        """Give every unknown of the best explanation. RuntimeError if there is none."""
        matrices = {
            equal: coo_array(
                (
                    [weight for _, _, weight in entries],
                    ([row for row, _, _ in entries], [place for _, place, _ in entries]),
                ),
                shape=(len(self._right[equal]), len(self._cost)),
            ).tocsr()
            for equal, entries in self._entries.items()
        }
        found = linprog(
            self._cost, matrices[False], self._right[False], matrices[True], self._right[True],
            bounds=self._bounds, method="highs",
        )  # fmt: skip
        if found.x is None:
            raise RuntimeError(found.message)
        return {name: float(found.x[place]) for name, place in self.places.items()}


@dataclass(slots=True)
class Attack:
    """What a reader of all publications knows, made into a program."""

    registry: Registry
    lists: Mapping[str, Sequence[str]]
    """The closed list of each dimension."""
    changed: bool = False
    """Whether rows came or went between the days and their weeks."""
    program: Program = field(default_factory=Program)
    _named: dict[tuple[str, str, object, str], set[tuple[str, ...]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def solve(self, published: Published, guess: Mapping[str, float]) -> dict[Unknown, float]:
        """Estimate every unknown from all rows of all metrics; `guess`: for each kind."""
        tables: dict[Table, None] = {}
        for name, rows in published.items():
            metric = self.registry.metrics[name]
            whats = [EVENTS, ACCOUNTS]
            whats += [metric.measure] if metric.kind in (MetricKind.RATIO, MetricKind.SUM) else []
            whats += [_counted(metric.denominator)] if metric.kind is MetricKind.RATIO else []
            for row in rows:
                self._named[metric.population, row.grain, row.day, row.cut].add(row.key)
                for what in whats:
                    tables[metric.population, what, row.grain, row.day, row.cut] = None
        for table in tables:
            self._table(table)
        for name, rows in published.items():
            for row in rows:
                self._observe(name, row)
        self._between()
        for unknown, place in list(self.program.places.items()):
            if unknown[5]:
                self.program.near([place], guess.get(unknown[1], guess[PARTS]), PULL)
        return self.program.solve()

    def _at(self, table: Table, key: tuple[str, ...]) -> int:
        return self.program.unknown((*table, key))

    def _keys(self, cut: str) -> list[tuple[str, ...]]:
        return list(product(*(self.lists[name] for name in cut.split(",")))) if cut else [()]

    def _table(self, table: Table) -> None:
        """Cells and what they add up to; accounts do where each has one value of the dimension."""
        population, what, grain, day, cut = table
        if not cut:
            self._at(table, ())
            return
        names = cut.split(",")
        adds = what != ACCOUNTS or self.registry.habits.issuperset(names)
        wholes = [("", ())] if len(names) == 1 else [
            (name, (value,)) for name in names for value in self.lists[name]]  # fmt: skip
        for other, key in wholes:
            whole = self.program.unknown((population, what, grain, day, other, key))
            inside = [
                self._at(table, one)
                for one in self._keys(cut)
                if not key or one[names.index(other)] == key[0]
            ]
            parts = [(place, 1.0) for place in inside]
            if adds:
                self.program.tie([*parts, (whole, -1.0)], 0.0)
            else:
                self._union(whole, inside)

    def _union(self, whole: int, inside: Sequence[int]) -> None:
        self.program.tie([(whole, 1.0), *((place, -1.0) for place in inside)], 0.0, equal=False)
        for place in inside:
            self.program.tie([(place, 1.0), (whole, -1.0)], 0.0, equal=False)

    def _observe(self, name: str, row: Row) -> None:
        metric = self.registry.metrics[name]
        named = self._named[metric.population, row.grain, row.day, row.cut]

        def cells(what: str) -> list[int]:
            table = (metric.population, what, row.grain, row.day, row.cut)
            keys = [key for key in self._keys(row.cut) if key not in named]
            return [self._at(table, key) for key in (keys if OTHER in row.key else [row.key])]

        adds = OTHER not in row.key or self.registry.habits.issuperset(row.cut.split(","))
        if row.accounts is not None and adds:
            middle, most = row.accounts + row.steps / 2, row.steps / 2
            slack = most + BOUND if most else 0.0
            self.program.near(cells(ACCOUNTS), middle, PULL if most else 1.0, slack or None)
        weight = 1.0 / (row.most + 1e-3)
        if metric.kind is MetricKind.RATIO:
            part, whole = cells(_counted(metric.measure)), cells(_counted(metric.denominator))
            if row.denominator is not None:
                self.program.near(whole, row.denominator, weight)
            if row.numerator is not None:
                self.program.near(part, row.numerator, weight)
            if row.under is not None and row.denominator is not None:
                limit = row.under * row.denominator
                self.program.tie([(place, 1.0) for place in part], limit, equal=False)
            if row.over is not None and row.denominator is not None:
                limit = (1 - row.over) * row.denominator
                terms = [(p, 1.0) for p in whole] + [(p, -1.0) for p in part]
                self.program.tie(terms, limit, equal=False)
            for inner, outer in zip(part, whole, strict=True):
                self.program.tie([(inner, 1.0), (outer, -1.0)], 0.0, equal=False)
        elif row.value is not None and metric.kind in (
            MetricKind.COUNT,
            MetricKind.ACCOUNTS,
            MetricKind.SUM,
        ):
            what = {MetricKind.COUNT: EVENTS, MetricKind.ACCOUNTS: ACCOUNTS}.get(
                metric.kind, metric.measure
            )
            self.program.near(cells(what), row.value, weight)

    def _between(self) -> None:
        """Accounts against events, populations against each other, days against weeks."""
        known = dict(self.program.places)
        days: dict[tuple[str, str, object], list[int]] = defaultdict(list)
        for (population, what, grain, day, cut, key), place in known.items():
            events = known.get((population, EVENTS, grain, day, cut, key))
            if what == ACCOUNTS and events is not None:
                self.program.tie([(place, 1.0), (events, -1.0)], 0.0, equal=False)
            outer = known.get((HOLDS.get(population, ""), what, grain, day, cut, key))
            if outer is not None:
                self.program.tie([(place, 1.0), (outer, -1.0)], 0.0, equal=False)
            if grain == "day" and not cut and what != ACCOUNTS:
                days[population, what, _monday(day)].append(place)
        for (population, what, monday), places in days.items():
            week = known.get((population, what, "week", monday, "", ()))
            if week is None or len(places) < 7 or self.changed:
                continue
            self.program.tie([*((place, 1.0) for place in places), (week, -1.0)], 0.0)


def _counted(what: str) -> str:
    return EVENTS if what == "count(*)" else what


def _monday(day: object) -> object:
    assert isinstance(day, date)
    return day - timedelta(days=day.weekday())
