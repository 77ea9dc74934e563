"""From rollups to the page's data block: everything the page shows, and nothing else.

The input is what `telemetry rollup` published (Parquet files and a manifest); there is no way from
here to a row in the lake. A table becomes, per measure, one list of numbers for each cell over
the windows in which the table was published; null is a hidden cell, which the page never shows
as zero. Figures are perturbed (`privacy.figures`), so cells do not add up to totals. The shape is
fixed by `page.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.dashboard.annotations import Annotation
from pipeline.dashboard.anomalies import anomalies
from pipeline.dashboard.layout import read_layout
from pipeline.dashboard.words import Words

VERSION = 3
"""Of the data block's shape."""

MEASURES = (
    "value", "error", "under", "over", "numerator", "denominator", "p50", "p90", "p95", "p99",
    "accounts",
)  # fmt: skip

TOTAL_DAYS = 190
"""How far back totals go: twice 90 days for the comparison, and a little."""

CELL_DAYS = 97
"""How far back tables with dimensions go; they are most of the page's size."""

MOST_KEYS = 24
"""Largest cells of a daily table that the page names; it adds the others up as `(other)`."""

OTHER = "(other)"

ADD_UP = ("count", "sum", "ratio", "fact")
"""Kinds of metrics whose cells may be added up."""

_EPOCH = date(1970, 1, 1)


def page_data(
    tables: Mapping[str, pa.Table],
    manifest: Mapping[str, Any],
    annotations: Sequence[Annotation],
    now: datetime,
    words: Words | None = None,
) -> dict[str, Any]:
    """Build the data block from the published tables (by metric) and the run's manifest.

    `tables` may lack metrics; an empty manifest is a lake without any rollup.
    """
    words = words or Words()
    last = max((_last(table) for table in tables.values() if table.num_rows), default=None)
    metrics = cast("list[dict[str, str]]", manifest.get("metrics", []))
    names = {metric["name"] for metric in metrics}
    layout = read_layout(words.tiles if metrics else None, names)
    collected = set(cast("list[str]", manifest.get("collected", [])))
    cubes: dict[str, Any] = {}
    for metric in metrics:
        table = tables.get(metric["name"])
        if table is not None and table.num_rows and last and metric["name"] != "suppressed":
            adds = metric["kind"] in ADD_UP
            rows = _recent(table, last).to_pylist()
            if metric["kind"] == "fact":
                rows = [_limited(row) for row in rows]
            cubes |= _cubes(metric, rows, adds)
    runs = cast("list[dict[str, Any]]", manifest.get("runs", []))
    return {
        "version": VERSION,
        "built_at": now.isoformat(timespec="seconds"),
        "rolled_up_at": manifest.get("generated_at"),
        "first_day": _first_day(tables),
        "last_day": _closed_day(tables),
        "epoch_days": cast("dict[str, Any]", manifest.get("epoch", {})).get("days", 28),
        "rule": manifest.get("rule", {"accounts": 20, "share": 0.8}),
        "metrics": [_words(metric, collected, bool(runs)) for metric in metrics],
        "layout": layout,
        "title": words.title,
        "labels": words.over(layout["labels"]),
        "live": None,
        "anomalies": anomalies(
            {name: _recent(table, last) for name, table in tables.items()}, metrics
        )
        if last
        else [],
        "annotations": [note.as_json() for note in annotations],
        "status": manifest.get("status", {}),
        "run": runs[-1] if runs else None,
        "hidden": _hidden(tables.get("suppressed")),
        "tables": cubes,
        "notice": None,
    }


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the page counts them."""
    return (day - _EPOCH).days


def _words(metric: Mapping[str, str], collected: set[str], ran: bool) -> dict[str, Any]:
    requires = [name for name in metric["requires"].split(",") if name]
    shown = {key: text for key, text in metric.items() if key != "requires"}
    return {**shown, "collected": not ran or collected.issuperset(requires)}


def _last(table: pa.Table) -> date:
    return cast("date", pc.max(table["last_day"]).as_py())


def _recent(table: pa.Table, last: date) -> pa.Table:
    """Leave out what the page could not show: old windows, and older ones of large tables."""
    total = pc.equal(table["cut"], "")
    horizon = pc.if_else(
        total,
        pa.scalar(last - timedelta(days=TOTAL_DAYS), pa.date32()),
        pa.scalar(last - timedelta(days=CELL_DAYS), pa.date32()),
    )
    return table.filter(pc.greater(table["last_day"], horizon))


def _limited(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show a fact that is only known to be under a limit as that limit; its caveat says so."""
    if row["value"] is not None or row["under"] is None:
        return dict(row)
    part = None if row["denominator"] is None else row["under"] * row["denominator"]
    return {**row, "value": row["under"], "numerator": part}


def _cubes(metric: Mapping[str, str], rows: Sequence[dict[str, Any]], adds: bool) -> dict[str, Any]:
    """One entry `metric|grain|cut` for each table of the metric.

    The minimum number of accounts is only needed for the uncertainty of percentiles.
    """
    measures = MEASURES if metric["kind"] == "percentiles" else MEASURES[:-1]
    parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        parts.setdefault((row["grain"], row["cut"]), []).append(row)
    cubes: dict[str, Any] = {}
    for (grain, cut), every in parts.items():
        rows = _largest(every, adds) if grain == "day" and cut else every
        at = sorted({row["first_day"] for row in rows})
        keys = sorted({_key(row, cut) for row in rows})
        place = {day: position for position, day in enumerate(at)}
        line = {key: position for position, key in enumerate(keys)}
        cube: dict[str, Any] = {
            "at": [day_number(day) for day in at],
            "keys": [list(key) for key in keys],
        }
        for measure in measures:
            if any(row[measure] is not None for row in rows) and not _derived(measure, rows):
                grid: list[list[float | int | None]] = [[None] * len(at) for _ in keys]
                for row in rows:
                    grid[line[_key(row, cut)]][place[row["first_day"]]] = _number(row[measure])
                cube[measure] = grid
        cubes[f"{metric['name']}|{grain}|{cut}"] = cube
    return cubes


def _largest(rows: Sequence[dict[str, Any]], adds: bool) -> list[dict[str, Any]]:
    """Keep the largest cells of a daily table of one dimension, and add the others to `(other)`.

    Counts and the two halves of ratios add up; people and percentiles do not, so there the
    smaller cells are left out.
    """
    weights: dict[str, float] = {}
    for row in rows:
        weight = row["denominator"] if row["denominator"] is not None else row["value"]
        weights[row["key1"]] = weights.get(row["key1"], 0.0) + (weight or row["accounts"] or 0)
    named = sorted((key for key in weights if key != OTHER), key=lambda key: (-weights[key], key))
    kept = {*named[:MOST_KEYS], OTHER}
    if len(named) <= MOST_KEYS:
        return list(rows)
    result = {(row["key1"], row["first_day"]): row for row in rows if row["key1"] in kept}
    for row in rows:
        if adds and row["key1"] not in kept:
            place = (OTHER, row["first_day"])
            held = result.get(place)
            result[place] = {**row, "key1": OTHER} if held is None else _added(held, row)
    return list(result.values())


def _added(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    sums = {
        name: (one[name] or 0) + (other[name] or 0)
        for name in ("value", "numerator", "denominator")
        if one[name] is not None or other[name] is not None
    }
    return {**one, **sums}


def _derived(measure: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """A ratio's value is its numerator over its denominator, so it is not written down twice."""
    return measure == "value" and any(row["numerator"] is not None for row in rows)


def _key(row: Mapping[str, Any], cut: str) -> tuple[str, ...]:
    dimensions = cut.split(",") if cut else []
    return tuple(row[name] for name in ("key1", "key2")[: len(dimensions)])


def _number(value: float | None) -> float | int | None:
    if value is None:
        return None
    return int(value) if value == int(value) else round(value, 6)


def _first_day(tables: Mapping[str, pa.Table]) -> str | None:
    return _edge(tables, "min")


def _closed_day(tables: Mapping[str, pa.Table]) -> str | None:
    return _edge(tables, "max")


def _edge(tables: Mapping[str, pa.Table], which: str) -> str | None:
    """First or last day with any event, from the one table that needs no gate."""
    days = [
        getattr(pc, which)(rows["first_day"]).as_py()
        for table in tables.values()
        if (rows := table.filter(_daily(table))).num_rows
    ]
    return str(min(days) if which == "min" else max(days)) if days else None


def _daily(table: pa.Table) -> pa.ChunkedArray:
    about_accounts = pc.is_valid(table["accounts"])
    return pc.and_(pc.equal(table["grain"], "day"), about_accounts)


def _hidden(table: pa.Table | None) -> dict[str, Any]:
    """Per table: share of events not shown on their own in the last 28 windows."""
    if table is None or not table.num_rows:
        return {}
    newest = cast("date", pc.max(table["first_day"]).as_py())
    recent = table.filter(
        pc.greater(table["first_day"], pa.scalar(newest - timedelta(days=28), pa.date32()))
    )
    sums = recent.group_by(["key1", "key2"], use_threads=False).aggregate([("value", "mean")])
    rows = sums.sort_by([("key1", "ascending"), ("key2", "ascending")]).to_pylist()
    return {
        f"{row['key1']}|{row['key2']}": [round(row["value_mean"], 4)]
        for row in rows
        if row["value_mean"] is not None
    }
