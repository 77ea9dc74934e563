"""Days that differ from earlier days of the same weekday by far more than usual, marked as such.

A robust z-score: the distance from the median of the same weekday in the weeks before, in units of
their median absolute deviation. That is never taken to be smaller than the figure's own
uncertainty, so what the perturbation or a small sample did is no anomaly. Only published totals by
day are looked at; nothing new is said about anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import hypot, sqrt
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

THRESHOLD = 6.0
"""Robust standard deviations from which a day stands out."""

WEEKS = 8
"""How many of the same weekday before are looked at."""

FEWEST = 3
"""With fewer of them nothing is said."""

_CONSISTENT = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""

_LEAST = 0.05
"""A day within 5 % of the usual figure is never unusual (of the smaller side, for a ratio)."""

_MEASURE = {"percentiles": "p95"}


def anomalies(
    tables: Mapping[str, pa.Table], metrics: Sequence[Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Give the unusual days of all metrics' daily totals, oldest first, the most unusual first."""
    found = []
    for metric in metrics:
        table = tables.get(metric["name"])
        if table is None or metric["kind"] == "fact":
            continue
        measure = _MEASURE.get(metric["kind"], "value")
        days = dict(_days(table, metric["kind"], measure))
        for day, (value, _) in days.items():
            scored = score(days, day, metric["kind"])
            if scored is not None and abs(scored[0]) >= THRESHOLD:
                place = {"metric": metric["name"], "measure": measure, "day": day.isoformat()}
                found.append((day, -abs(scored[0]), place | {"value": value, "usual": scored[1]}))
    return [entry for _, _, entry in sorted(found, key=lambda one: one[:2])]


def score(
    days: Mapping[date, tuple[float, float]], day: date, kind: str
) -> tuple[float, float] | None:
    """Give the day's robust z-score and what is usual; None without enough days before.

    `days` holds each day's figure and its uncertainty, a standard deviation.
    """
    value, spread = days[day]
    weeks = (day - timedelta(days=7 * week) for week in range(1, WEEKS + 1))
    before = [days[one] for one in weeks if one in days]
    if len(before) < FEWEST:
        return None
    usual = median(figure for figure, _ in before)
    deviation = _CONSISTENT * median(abs(figure - usual) for figure, _ in before)
    unsure = hypot(spread, median(sd for _, sd in before))
    base = min(usual, 1 - usual) if kind in ("ratio", "share") else abs(usual)
    scale = max(deviation, unsure, _LEAST * base / 2)
    return ((value - usual) / scale, usual) if scale > 0 else None


def _days(table: pa.Table, kind: str, measure: str) -> Iterator[tuple[date, tuple[float, float]]]:
    daily = pc.and_(pc.equal(table["grain"], "day"), pc.equal(table["cut"], ""))
    for row in table.filter(daily).to_pylist():
        value, below = row[measure], row["denominator"]
        if value is None:
            continue
        error = row["error"] or 0.0
        if kind == "percentiles":
            yield row["first_day"], (value, 0.05 * value)
        elif kind == "ratio":
            part = max(value * (1 - value), 0.0)
            yield row["first_day"], (value, hypot(error, sqrt(part / below)))
        else:
            yield row["first_day"], (value, hypot(error, sqrt(max(value, 0.0))))
