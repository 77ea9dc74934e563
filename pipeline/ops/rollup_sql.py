"""Which queries a rollup asks, and their SQL: one for all tables of the same cells.

Rows of people are only ever counted by account: what is added up besides (`amounts_sql`,
`histogram_sql`) is added up by cell, and published under the cells that the gate admits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ops.rollup_registry import Kind, Metric, Registry, Window

HABITS = frozenset(
    {
        "account_age", "client_family", "connection_type", "country", "device_class", "os_family",
        "plan", "region", "sdk", "sdk_version", "referrer_class",
    }
)  # fmt: skip
"""Columns that hardly vary within an account's day: tables cut by them alone are taken from
one summary of the population, a tenth of its size."""

FEW_TABLES = 2
"""From this many tables on, a summary pays."""

WINDOW_START = {Window.DAY: "event_date", Window.WEEK: "week", Window.PERIOD: "period"}


@dataclass(frozen=True, slots=True)
class Pass:
    """One query: the tables that share a population, a window, dimensions and a filter."""

    population: str
    window: Window
    by: tuple[str, ...]
    column: str
    """The column of percentiles, or nothing."""
    metrics: tuple[Metric, ...]

    @property
    def rests_on_habits(self) -> bool:
        """Whether the summary by habits is enough to compute it."""
        return HABITS.issuperset(self.by)

    @property
    def summary(self) -> str:
        """Name of that summary."""
        return f"{self.population}_{self.column}_by_habits"


def passes(registry: Registry, windows: Sequence[Window]) -> list[Pass]:
    """Group the tables of those windows into as few queries as possible."""
    groups: dict[tuple[str, Window, tuple[str, ...], str], list[Metric]] = {}
    for metric in registry.metrics.values():
        column = metric.measure if metric.kind is Kind.PERCENTILES else ""
        for window, by in metric.tables:
            if window in windows and metric.population:
                groups.setdefault((metric.population, window, by, column), []).append(metric)
    return [Pass(*key, tuple(metrics)) for key, metrics in groups.items()]


def contribution_sql(task: Pass) -> str:
    """The query of one pass: how many events each account contributed to each cell."""
    columns = [*_keys(task), "subject", "count(*) AS events"]
    return f"SELECT {', '.join(columns)} FROM {task.population}{_where(task)} GROUP BY ALL"


def summary_sql(kin: Sequence[Pass]) -> str:
    """The query that counts a population by account, day and habits, for all its tables."""
    habits = sorted({name for task in kin for name in task.by})
    starts = [f"CAST({name} AS DATE) AS {name}" for name in WINDOW_START.values()]
    columns = [*starts, "subject", *habits, "count(*) AS events"]
    first = kin[0]
    return f"SELECT {', '.join(columns)} FROM {first.population}{_where(first)} GROUP BY ALL"


def amounts_sql(task: Pass) -> str:
    """The query of what a pass adds up besides events; nothing if there is nothing.

    The columns are `<metric>`, and `<metric>/of` for the denominator of a ratio.
    """
    sums = [
        f'coalesce(CAST({sql} AS DOUBLE), 0) AS "{name}"'
        for metric in task.metrics
        for name, sql in _sums(metric)
    ]
    if not sums:
        return ""
    return f"SELECT {', '.join([*_keys(task), *sums])} FROM {task.population} GROUP BY ALL"


def histogram_sql(task: Pass) -> str:
    """The query of one percentile pass: how many events each bucket of each cell holds."""
    columns = [*_keys(task), f"CAST({task.column} AS DOUBLE) AS bucket", "count(*) AS events"]
    return f"SELECT {', '.join(columns)} FROM {task.population}{_where(task)} GROUP BY ALL"


def _keys(task: Pass) -> list[str]:
    return [f"CAST({WINDOW_START[task.window]} AS DATE) AS start", *task.by]


def _where(task: Pass) -> str:
    return f" WHERE {task.column} IS NOT NULL" if task.column else ""


def _sums(metric: Metric) -> list[tuple[str, str]]:
    if metric.kind is Kind.SUM:
        return [(metric.name, metric.measure)]
    if metric.kind is Kind.RATIO:
        return [(metric.name, metric.measure), (f"{metric.name}/of", metric.denominator)]
    return []
