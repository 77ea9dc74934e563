"""Which queries a rollup runs, and their SQL: one for all tables with the same cells.

Rows of people are only ever counted by account, and so is everything else that is added up:
the perturbation of a sum needs its largest contributors, and the gate needs the accounts behind
the parts of a ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ops.rollup.registry import Metric, MetricKind, Registry, Window

FEW_TABLES = 2
"""From this many tables on, a summary pays off."""

WINDOW_START = {Window.DAY: "event_date", Window.WEEK: "week", Window.PERIOD: "period"}


@dataclass(frozen=True, slots=True)
class Pass:
    """One query: the tables that share a population, a window, dimensions and a filter."""

    population: str
    window: Window
    by: tuple[str, ...]
    column: str
    """The column for percentiles, or none."""
    metrics: tuple[Metric, ...]
    rests_on_habits: bool = False
    """Whether the summary by habits is enough to compute it."""

    @property
    def summary(self) -> str:
        """Name of that summary."""
        return f"{self.population}_{self.column}_by_habits"


def passes(registry: Registry, windows: Sequence[Window]) -> list[Pass]:
    """Group the tables of these windows into as few queries as possible."""
    groups: dict[tuple[str, Window, tuple[str, ...], str], list[Metric]] = {}
    for metric in registry.metrics.values():
        column = metric.measure if metric.kind is MetricKind.PERCENTILES else ""
        for window, by in metric.tables:
            if window in windows and metric.population:
                groups.setdefault((metric.population, window, by, column), []).append(metric)
    return [
        Pass(*key, tuple(metrics), registry.habits.issuperset(key[2]))
        for key, metrics in groups.items()
    ]


def contribution_sql(task: Pass) -> str:
    """The query of one pass: what each account contributed to each cell.

    The columns are start, the dimensions, `bucket` for percentiles, subject, events, and
    `<metric>` for what else is added up, with `<metric>/of` for the denominator of a ratio.
    """
    columns = [f"CAST({WINDOW_START[task.window]} AS DATE) AS start", *task.by, *_added((task,))]
    return f"SELECT {', '.join(columns)} FROM {task.population}{_where(task)} GROUP BY ALL"


def summary_sql(kin: Sequence[Pass]) -> str:
    """The query that adds up a population by account, day and habits, for all its tables."""
    habits = sorted({name for task in kin for name in task.by})
    starts = [f"CAST({name} AS DATE) AS {name}" for name in WINDOW_START.values()]
    columns = [*starts, *habits, *_added(kin)]
    first = kin[0]
    return f"SELECT {', '.join(columns)} FROM {first.population}{_where(first)} GROUP BY ALL"


def amount_names(task: Pass) -> list[str]:
    """The columns of a pass's contributions besides the cell, the account and its events."""
    return [name for metric in task.metrics for name, _ in _sums(metric)]


def _added(kin: Sequence[Pass]) -> list[str]:
    bucket = [f"CAST({kin[0].column} AS DOUBLE) AS bucket"] if kin[0].column else []
    sums = dict(one for task in kin for metric in task.metrics for one in _sums(metric))
    amounts = [f'coalesce(CAST({sql} AS DOUBLE), 0) AS "{name}"' for name, sql in sums.items()]
    return [*bucket, "subject", "count(*) AS events", *amounts]


def _where(task: Pass) -> str:
    return f" WHERE {task.column} IS NOT NULL" if task.column else ""


def _sums(metric: Metric) -> list[tuple[str, str]]:
    if metric.kind is MetricKind.SUM:
        return [(metric.name, metric.measure)]
    if metric.kind is MetricKind.RATIO:
        return [(metric.name, metric.measure), (f"{metric.name}/of", metric.denominator)]
    return []
