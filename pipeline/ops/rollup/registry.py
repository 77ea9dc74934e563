"""The metric registry: every number that may be published, defined once, in words and in SQL.

A metric names a population (SQL over the event views), what is measured in it, and the tables
in which it is published: a window and at most two dimensions. Everything that people later
read about a metric (title, sentence, unit, caveat) comes from here. Files:
`schemas/metrics/*.toml`; `populations.toml` holds the views, the others one table per metric.

A definition that could expose a person does not load: a window that crosses a key epoch, more than
two dimensions, two dimensions per day, a token column in what is published, sums of one kind over
overlapping windows, or accounts of two populations under one cut, whose difference is a few people.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

from pipeline.errors import SchemaError
from pipeline.parsing import parse_toml
from pipeline.privacy.identity.epochs import EpochKind

POPULATIONS = "populations"
_NAME = re.compile(r"[a-z][a-z0-9_]{1,40}")


class Window(Enum):
    """The span that one publication describes. A period is one key epoch."""

    DAY = "day"
    WEEK = "week"
    PERIOD = "period"

    def fits(self, epoch: EpochKind) -> bool:
        """Whether each window of this kind is inside one key epoch."""
        return self is not Window.WEEK or epoch.days % 7 == 0


class MetricKind(Enum):
    """How a metric's number is made from what the cell's accounts contributed."""

    COUNT = "count"
    """Events."""
    ACCOUNTS = "accounts"
    """Distinct accounts."""
    SUM = "sum"
    """A sum over the events."""
    RATIO = "ratio"
    """Numerator over denominator, both summed over the cell."""
    SHARE = "share"
    """Accounts of the cell over accounts of the window."""
    PER_ACCOUNT = "per_account"
    """Events over accounts."""
    PERCENTILES = "percentiles"
    """Quantiles of a bucketed column, interpolated inside the bucket."""
    FACT = "fact"
    """Counted by the pipeline itself, without accounts: not from event rows."""


@dataclass(frozen=True, slots=True)
class EventView:
    """Which columns of an event's table the populations read."""

    event: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Population:
    """A named set of rows with `event_date`, `subject` and dimensions."""

    name: str
    sentence: str
    sql: str
    reads: tuple[str, ...]
    """Events whose views the SQL names, directly or through another population."""
    stored: bool
    """Whether it is computed once and kept, because several metrics read it."""
    accounts: str
    """The population whose accounts its cells hold: its own name, or one that says the same."""
    looks_back: bool = False
    """Whether its rows of a week depend on rows of the week before."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One published number. Fields as in the TOML files, which docs/metrics.md explains."""

    name: str
    title: str
    sentence: str
    unit: str
    kind: MetricKind
    good: str
    page: str
    caveat: str
    population: str
    requires: tuple[str, ...]
    measure: str
    denominator: str
    quantiles: tuple[int, ...]
    edges: tuple[float, ...]
    """Edges of the buckets of percentiles; none: quarter octaves."""
    whole: bool
    """Whether a window is published only if no cell of it is hidden."""
    tables: tuple[tuple[Window, tuple[str, ...]], ...]

    def dimensions(self) -> tuple[str, ...]:
        """Every dimension by which the metric is published."""
        return tuple(dict.fromkeys(name for _, by in self.tables for name in by))


@dataclass(frozen=True, slots=True)
class Registry:
    """All metrics and populations, in the files' order."""

    views: Mapping[str, EventView]
    populations: Mapping[str, Population]
    metrics: Mapping[str, Metric]
    withheld: frozenset[str] = frozenset()
    """Columns that never appear in a publication: tokens and network prefixes."""
    habits: frozenset[str] = frozenset()
    """Columns that hardly vary within an account's day."""


def parse_registry(
    texts: Mapping[str, str], epoch: EpochKind, withheld: frozenset[str]
) -> Registry:
    """Read the registry, given as file name (without `.toml`) to text.

    Raises `SchemaError` naming file, metric and remedy. `epoch` is the length of key epochs:
    a metric whose window would cross their border does not load, nor does one that is grouped by
    one of the columns `withheld`.
    """
    files = {name: _toml(text, f"{name}.toml") for name, text in sorted(texts.items())}
    if POPULATIONS not in files:
        raise _refuse("populations.toml", "the file of populations is missing")
    head = files.pop(POPULATIONS)
    _known(head, {"events", "population", "habits"}, "populations.toml")
    views = {
        event: EventView(event, _texts(body, "columns", f"populations.toml events.{event}"))
        for event, body in _tables(head.get("events", {}), "populations.toml events")
    }
    populations: dict[str, Population] = {}
    for name, body in _tables(head.get("population", {}), "populations.toml population"):
        populations[name] = _population(name, body, views, populations)
    metrics: dict[str, Metric] = {}
    for file, document in files.items():
        for name, body in _tables(document, f"{file}.toml"):
            where = f"{file}.toml [{name}]"
            if name in metrics:
                raise _refuse(where, "another file declares a metric of that name")
            metrics[name] = _metric(name, file, body, populations, epoch)
            if withheld.intersection(metrics[name].dimensions()):
                raise _refuse(where, "a table would publish a token column", "Remove the column")
    _one_population_per_cut(metrics.values(), populations)
    habits = frozenset(_texts(head, "habits", "populations.toml") if "habits" in head else ())
    return Registry(views, populations, metrics, withheld, habits)


def _population(
    name: str,
    body: Mapping[str, object],
    views: Mapping[str, EventView],
    earlier: Mapping[str, Population],
) -> Population:
    where = f"populations.toml [population.{name}]"
    _known(body, {"sentence", "sql", "stored", "accounts", "looks_back"}, where)
    sql = _text(body, "sql", where).strip()
    words = set(re.findall(r"\b(?:FROM|JOIN)\s+([a-z_]+)", sql))
    reads = [event for event in views if event in words]
    reads += [event for other in earlier if other in words for event in earlier[other].reads]
    if not reads:
        raise _refuse(where, "its SQL names no event view", "Read one of: " + ", ".join(views))
    return Population(
        name, _text(body, "sentence", where), sql, tuple(dict.fromkeys(reads)),
        body.get("stored") is True, _text(body, "accounts", where) if "accounts" in body else name,
        body.get("looks_back") is True,
    )  # fmt: skip


def _one_population_per_cut(
    metrics: Iterable[Metric], populations: Mapping[str, Population]
) -> None:
    """Refuse accounts of two populations under one cut: their difference would be a few people."""
    counted: dict[tuple[Window, tuple[str, ...]], tuple[str, str]] = {}
    for metric in metrics:
        if metric.kind not in (MetricKind.ACCOUNTS, MetricKind.SHARE, MetricKind.PER_ACCOUNT):
            continue
        mine = populations[metric.population].accounts
        for table in metric.tables:
            other, theirs = counted.setdefault(table, (metric.name, mine))
            if theirs != mine:
                raise _refuse(
                    f"{metric.page}.toml [{metric.name}]",
                    f"{other} publishes accounts of another population under the same cut",
                    "Count the accounts of one population in a cut",
                )


_KEYS = {
    "title", "sentence", "unit", "kind", "good", "caveat", "population", "requires", "measure",
    "denominator", "quantiles", "edges", "whole", "day", "week", "period",
}  # fmt: skip
_UNITS = {
    "requests", "accounts", "sessions", "events", "minutes", "bytes", "ratio", "ms", "s", "fps",
    "kbit/s", "per account", "hours", "cells", "days",
}  # fmt: skip


def _metric(
    name: str,
    page: str,
    body: Mapping[str, object],
    populations: Mapping[str, Population],
    epoch: EpochKind,
) -> Metric:
    where = f"{page}.toml [{name}]"
    _known(body, _KEYS, where)
    try:
        kind = MetricKind(_text(body, "kind", where))
    except ValueError:
        raise _refuse(
            where, "kind is unknown", _one_of(kind.value for kind in MetricKind)
        ) from None
    unit = _text(body, "unit", where)
    if unit not in _UNITS:
        raise _refuse(where, "unit is unknown", _one_of(sorted(_UNITS)))
    good = _text(body, "good", where)
    if good not in ("up", "down", "neither"):
        raise _refuse(where, "good is unknown", _one_of(["up", "down", "neither"]))
    metric = Metric(
        name=name,
        title=_text(body, "title", where),
        sentence=_text(body, "sentence", where),
        unit=unit,
        kind=kind,
        good=good,
        page=page,
        caveat=_text(body, "caveat", where) if "caveat" in body else "",
        population=_text(body, "population", where) if kind is not MetricKind.FACT else "",
        requires=_texts(body, "requires", where) if "requires" in body else (),
        measure=_text(body, "measure", where) if "measure" in body else "count(*)",
        denominator=_text(body, "denominator", where) if "denominator" in body else "count(*)",
        quantiles=_quantiles(body, where),
        edges=_edges(body, where),
        whole=body.get("whole") is True,
        tables=tuple(_windows(body, where, epoch)),
    )
    if kind is not MetricKind.FACT and metric.population not in populations:
        raise _refuse(where, "population is unknown", _one_of(populations))
    if (kind is MetricKind.PERCENTILES) != bool(metric.quantiles):
        raise _refuse(where, "quantiles belong to kind percentiles, and to no other")
    if kind is not MetricKind.FACT and not metric.tables:
        raise _refuse(where, "no table is published", "Name dimensions under day, week or period")
    return metric


def _windows(
    body: Mapping[str, object], where: str, epoch: EpochKind
) -> Iterable[tuple[Window, tuple[str, ...]]]:
    seen: set[tuple[str, ...]] = set()
    for window in Window:
        for by in cast("list[list[str]]", body.get(window.value, [])):
            dimensions = tuple(by)
            if not window.fits(epoch):
                raise _refuse(where, f"a {window.value} crosses the border of a key epoch",
                              "Use windows of days, or epochs of whole weeks")  # fmt: skip
            if len(dimensions) > 2:
                raise _refuse(where, "a table has more than two dimensions", "Publish two tables")
            if len(dimensions) == 2 and window is Window.DAY:
                raise _refuse(where, "a day is cut by two dimensions", "Publish them per week")
            if not all(_NAME.fullmatch(name) for name in dimensions):
                raise _refuse(where, "a dimension is not a column's name")
            if dimensions in seen and body.get("kind") in ("count", "sum", "ratio"):
                raise _refuse(
                    where,
                    "sums of one kind are published over overlapping windows",
                    "Keep one window: the difference of two would show a hidden day",
                )
            seen.add(dimensions)
            yield window, dimensions


def _quantiles(body: Mapping[str, object], where: str) -> tuple[int, ...]:
    values = body.get("quantiles", [])
    if not isinstance(values, list) or not set(values) <= {50, 90, 95, 99}:
        raise _refuse(where, "quantiles are unknown", _one_of(["50", "90", "95", "99"]))
    return tuple(values)


def _edges(body: Mapping[str, object], where: str) -> tuple[float, ...]:
    values = body.get("edges", [])
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise _refuse(where, "edges must be a list of numbers")
    if values != sorted(set(values)):
        raise _refuse(where, "edges must ascend")
    return tuple(float(value) for value in values)


def _toml(text: str, where: str) -> dict[str, object]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise _refuse(where, f"it is not TOML: {error}") from None


def _tables(document: object, where: str) -> Iterable[tuple[str, Mapping[str, object]]]:
    if not isinstance(document, dict):
        raise _refuse(where, "a table was expected")
    for name, body in document.items():
        if not isinstance(body, dict) or not _NAME.fullmatch(name):
            raise _refuse(where, "every entry is a table with a name of small letters")
        yield name, body


def _known(body: Mapping[str, object], keys: set[str], where: str) -> None:
    if unknown := sorted(set(body) - keys):
        raise _refuse(where, f"key {unknown[0]} is unknown", _one_of(sorted(keys)))


def _text(body: Mapping[str, object], key: str, where: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _refuse(where, f"{key} must be a text")
    return value.strip()


def _texts(body: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _refuse(where, f"{key} must be a list of texts")
    return tuple(value)


def _one_of(names: Iterable[str]) -> str:
    return "Use one of: " + ", ".join(names)


def _refuse(where: str, why: str, remedy: str = "") -> SchemaError:
    return SchemaError("a metric does not load", where=where, why=why, remedy=remedy)
