"""What is attacked: one lake as 0.1 and as this version publish it, and the truth of its rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.schema import SUBJECT
from pipeline.ops.rollup.contributions import Loaded
from pipeline.ops.rollup.figures import RecordKeys
from pipeline.ops.rollup.made_of import keys_of
from pipeline.ops.rollup.publication import Method, publish
from pipeline.ops.rollup.registry import MetricKind, Registry, Window
from pipeline.ops.rollup.sql import passes
from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.perturbation import DEVIATION, MOST, Perturbation
from pipeline.privacy.figures.tally import START
from tests.dashboards import REGISTRY, SECRET
from tests.lake_rows import EPOCH
from tests.unit.ops.rollup.attacks import Published, Row, Score, score
from tests.unit.ops.rollup.first_method import publish_exactly
from tests.unit.ops.rollup.whole_program import ACCOUNTS, EVENTS, PARTS, Attack, Unknown

MONDAY = date(2026, 11, 2)
METHOD = Method(EPOCH, Rule(), Perturbation(SECRET), datetime(2026, 11, 30, tzinfo=UTC))
ATTACKED = frozenset(
    {"http_5xx_rate", "http_4xx_rate", "throttled_rate", "availability", "start_success",
     "accounts_by_country", "accounts_by_client", "accounts_by_sdk", "requests", "sessions",
     "latency", "queue_time", "active_week"}
)  # fmt: skip
"""Everything that is published of requests and of the accounts behind them, and more."""
CONTRIBUTIONS = dict[tuple[str, str, str], pa.Table]


def unsaid(*_: object) -> str:
    """What the figures are made of is another test's matter."""
    return ""


@dataclass(frozen=True)
class Both:
    """One lake, as 0.1 and as this version would publish it, and what is in it."""

    exact: Published
    perturbed: Published
    given: Mapping[tuple[str, str, str], pa.Table]
    """What each account contributed, by metric, window and cut."""


def only(names: Collection[str]) -> Registry:
    """The registry with those metrics alone."""
    metrics = {name: metric for name, metric in REGISTRY.metrics.items() if name in names}
    return Registry(REGISTRY.views, REGISTRY.populations, metrics, habits=REGISTRY.habits)


def both(
    loaded: Loaded,
    names: Collection[str] = ATTACKED,
    method: Method = METHOD,
    windows: Sequence[Window] = (Window.DAY, Window.WEEK),
) -> Both:
    """Publish every pass of those metrics."""
    keys = keys_of(loaded, method.noise)
    exact: dict[str, list[Row]] = {}
    perturbed: dict[str, list[Row]] = {}
    given: CONTRIBUTIONS = {}
    for task in passes(only(names), windows):
        rows = loaded.contributions(task)
        starts = pc.unique(rows[START]).to_pylist()
        made, _ = publish(rows, task, starts, method, keys, unsaid)
        for name, table in made.items():
            perturbed.setdefault(name, []).extend(as_rows(table, method.rule.accounts))
            given[name, task.window.value, ",".join(task.by)] = rows
        for name, cells in publish_exactly(rows, task, method.rule).items():
            exact.setdefault(name, []).extend(cells)
    return Both(exact, perturbed, given)


def record_keys(both: Both, method: Method) -> RecordKeys:
    """Keys of all accounts of a lake; their tokens are no longer at hand, so others."""
    given = [pc.unique(table[SUBJECT]).cast(pa.int64()) for table in both.given.values()]
    subjects = pc.unique(pa.chunked_array(given)).drop_null().sort()
    words = [f"{one:032x}" for one in subjects.to_pylist()]
    return RecordKeys(subjects.to_numpy(), method.noise.record_keys(words))


def again(both: Both, names: Collection[str] = ATTACKED, method: Method = METHOD) -> Published:
    """Publish the same contributions by another method."""
    keys = record_keys(both, method)
    made: dict[str, list[Row]] = {}
    for task in passes(only(names), (Window.DAY, Window.WEEK)):
        place = task.metrics[0].name, task.window.value, ",".join(task.by)
        if place not in both.given:
            continue
        rows = both.given[place]
        starts = pc.unique(rows[START]).to_pylist()
        for name, table in publish(rows, task, starts, method, keys, unsaid)[0].items():
            made.setdefault(name, []).extend(as_rows(table, method.rule.accounts))
    return made


def as_rows(table: pa.Table, steps: int = 20) -> Iterator[Row]:
    """Read a publication as any reader does."""
    for row in table.to_pylist():
        key = tuple(
            row[name]
            for name in ("key1", "key2")[: len(row["cut"].split(",")) if row["cut"] else 0]
        )
        yield Row(
            row["first_day"], row["cut"], key, row["value"],
            (row["error"] or 0.0) / DEVIATION * MOST + 0.5, row["numerator"], row["denominator"],
            row["under"], row["over"], row["accounts"], steps, row["grain"],
        )  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """Every count of 1 to 19 accounts behind the tables of a lake."""

    accounts: dict[Unknown, float]
    events: dict[Unknown, float]
    parts: dict[Unknown, float]
    rests: dict[Unknown, float]
    """Complements of parts, under the names of the parts."""
    lists: dict[str, list[str]]
    """The words of each dimension: an attacker knows the catalogue."""


def truth_of(both: Both, few: int = 20) -> Truth:
    """Count the rows."""
    truth = Truth({}, {}, {}, {}, {})
    words: dict[str, set[str]] = {}
    for (name, grain, cut), table in both.given.items():
        metric = REGISTRY.metrics[name]
        by = cut.split(",") if cut else []
        for one in by:
            words.setdefault(one, set()).update(pc.unique(table[one].cast(pa.string())).to_pylist())

        def small(
            amount: str, table: pa.Table = table, by: list[str] = by
        ) -> Iterator[tuple[dict[str, object], int, float]]:
            rows = table.filter(pc.greater(table[amount], 0))
            rows = rows.set_column(
                rows.column_names.index(SUBJECT), SUBJECT, rows[SUBJECT].cast(pa.int64())
            )
            added = rows.group_by([START, *by], use_threads=False).aggregate(
                [(SUBJECT, "count_distinct"), (amount, "sum")]
            )
            for row in added.to_pylist():
                if 0 < row[f"{SUBJECT}_count_distinct"] < few:
                    yield row, row[f"{SUBJECT}_count_distinct"], row[f"{amount}_sum"]

        def place(row: Mapping[str, object], what: str) -> Unknown:
            key = tuple(str(row[one]) for one in by)  # noqa: B023
            return metric.population, what, grain, row[START], cut, key  # noqa: B023

        for row, accounts, events in small("events"):
            truth.accounts[place(row, ACCOUNTS)] = float(accounts)
            truth.events[place(row, EVENTS)] = float(events)
        if metric.kind is MetricKind.RATIO:
            rest = pc.subtract(table[f"{name}/of"], table[name])
            whole = table.append_column("rest", rest)
            for row, _, amount in small(name):
                truth.parts[place(row, metric.measure)] = amount
            for row, _, amount in small("rest", whole):
                truth.rests[place(row, metric.measure)] = amount
    for one, found in words.items():
        truth.lists[one] = sorted(found)
    return truth


def against_everything(published: Published, truth: Truth) -> list[Score]:
    """Score the one linear program on every count of few accounts, kind by kind."""
    kinds = {ACCOUNTS: truth.accounts, EVENTS: truth.events, PARTS: truth.parts}
    guess = {name: best_guess(known) for name, known in kinds.items()}
    attack = Attack(REGISTRY, truth.lists)
    found = attack.solve(published, guess)
    scores = [score(f"everything: {name}", found, known) for name, known in kinds.items()]
    rests = {
        name: found[whole] - found[name]
        for name in truth.rests
        if name in found and (whole := (name[0], EVENTS, *name[2:])) in found
    }
    return [*scores, score("everything: complements", rests, truth.rests)]


def best_guess(truth: Mapping[Unknown, float], within: float = 2.0) -> float:
    """The constant that is right most often."""
    values = sorted(truth.values())
    tries = sorted(set(map(round, values)))
    return float(max(tries, key=lambda one: sum(abs(one - value) <= within for value in values)))
