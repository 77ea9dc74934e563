"""`telemetry rollup`: publish what has become publishable since the last run.

Only closed days that are new or whose files changed are computed. Published windows are frozen
(`privacy.figures.revisions`). An interrupted run has published some metrics and is simply
repeated: the manifest, which records what was computed, is written last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SchemaError
from pipeline.io.lake.publications import FORMAT, RollupStore, require_format
from pipeline.ops.rollup.contributions import Loaded, load
from pipeline.ops.rollup.load import Datasets, DayFiles
from pipeline.ops.rollup.made_of import MadeOf, keys_of
from pipeline.ops.rollup.pipeline_metrics import Facts, fact_rows, hidden_rows, keep_rows
from pipeline.ops.rollup.plan import loads, plan, table_ids
from pipeline.ops.rollup.publication import KEYS, PUBLISHED, Method, publish
from pipeline.ops.rollup.registry import Metric, MetricKind, Registry, Window
from pipeline.ops.rollup.sql import Pass, passes
from pipeline.ops.rollup.windows import DaySpan, is_closed
from pipeline.privacy.figures import ptable
from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.perturbation import Perturbation
from pipeline.privacy.figures.revisions import newest, revise
from pipeline.privacy.identity.epochs import EpochKind

RUNS_KEPT = 60


@dataclass(frozen=True, slots=True)
class RollupSettings:
    """How publications are made."""

    secret: bytes = field(repr=False)
    """The installation's perturbation secret, 32 bytes."""
    epoch: EpochKind = EpochKind.FOUR_WEEKS
    rule: Rule = field(default_factory=Rule)
    keep_days: int = 760
    """How long a publication is kept; it may outlive the rows."""
    memory_mb: int = 640
    spill: Path | None = None
    """Folder for rows that do not fit in this memory; they are removed at the end."""

    def method(self, now: datetime) -> Method:
        """The method that every pass of a run shares."""
        noise = Perturbation(self.secret, self.rule.accounts)
        return Method(self.epoch, self.rule, noise, now)


@dataclass(frozen=True, slots=True)
class Contents:
    """What there is to publish."""

    registry: Registry
    files: Sequence[DayFiles]
    """All files of the lake's event tables."""
    schemas: Mapping[str, pa.Schema]
    """Their stored columns."""
    facts: Facts
    datasets: Datasets | None = None
    """Opens files that DuckDB cannot."""


@dataclass(frozen=True, slots=True)
class RollupReport:
    """What a run did."""

    days: int
    windows: int
    published: int
    revised: int
    hidden_tables: int
    """Tables of one window in which something, or everything, could not stand alone."""
    seconds: float


@dataclass(slots=True)
class _Made:
    """What the passes of a run produced, before it is published."""

    fresh: dict[str, list[pa.Table]] = field(default_factory=dict)
    hidden: list[pa.Table] = field(default_factory=list)
    collected: set[str] = field(default_factory=set)
    duplicates: dict[tuple[str, date], int] = field(default_factory=dict)


def roll_up(
    contents: Contents,
    store: RollupStore,
    settings: RollupSettings,
    now: datetime,
    clock: Callable[[], float],
) -> RollupReport:
    """Compute and publish every closed window that is due; returns what was done.

    `clock` is a monotonic clock in seconds. Raises LakeError, and PrivacyGateClosed on
    publications of an older method.
    """
    began = clock()
    _require_schemas(contents)
    manifest = store.manifest()
    require_format(manifest, store.uri)
    work = plan(contents.registry, contents.files, manifest, settings.epoch, now)
    made = _compute(contents, work, settings, now)
    made.collected |= set(cast("list[str]", manifest.get("collected", [])))
    oldest = now.date() - timedelta(days=settings.keep_days)
    published, revised = _publish_figures(contents.registry, made, store, settings, oldest)
    _publish_facts(contents, made, store, oldest, now)
    report = RollupReport(
        days=len({day for _, starts in work for day in starts}),
        windows=sum(len(starts) for _, starts in work),
        published=published,
        revised=revised,
        hidden_tables=sum(
            pc.sum(pc.not_equal(pc.fill_null(table["share"], 1.0), 0.0)).as_py() or 0
            for table in made.hidden
        ),
        seconds=round(clock() - began, 3),
    )
    store.write_manifest(_manifest(manifest, contents, made.collected, report, settings, now))
    return report


def _require_schemas(contents: Contents) -> None:
    if lacking := sorted(set(contents.registry.views) - set(contents.schemas)):
        raise SchemaError(
            "metrics read an event that has no schema",
            where=f"populations.toml events.{lacking[0]}",
            remedy="Add the event's schema, or remove the event and what reads it from the metrics",
        )


def _compute(
    contents: Contents,
    work: Sequence[tuple[Pass, list[date]]],
    settings: RollupSettings,
    now: datetime,
) -> _Made:
    """Query the rows for everything that is due, load by load."""
    made, method = _Made(), settings.method(now)
    for wanted, tasks in loads(work, contents.files, settings.epoch):
        with load(
            contents.registry, wanted, contents.schemas, settings.epoch,
            settings.memory_mb, contents.datasets, settings.spill,
        ) as loaded:  # fmt: skip
            made.collected |= loaded.held.collected
            made.duplicates |= dict.fromkeys(((f.event, f.day) for f in wanted), 0)
            made.duplicates |= loaded.held.duplicates
            done = _published(loaded, contents.registry, tasks, method)
            for task, (rows, unseen) in done:
                for name, table in rows.items():
                    made.fresh.setdefault(name, []).append(table)
                    made.hidden.append(_named(unseen, task, name))
    return made


def _publish_figures(
    registry: Registry, made: _Made, store: RollupStore, settings: RollupSettings, oldest: date
) -> tuple[int, int]:
    """Add to each metric's file what may be added; return the cells published and corrected."""
    published = revised = 0
    for metric in registry.metrics.values():
        if metric.name not in made.fresh:
            continue
        before = store.read(metric.name, PUBLISHED)
        added = revise(before, pa.concat_tables(made.fresh[metric.name]), settings.rule, KEYS)
        after = newest(pa.concat_tables([before, added]), KEYS)
        after = after.filter(pc.greater_equal(after["first_day"], pa.scalar(oldest)))
        published += added.num_rows
        revised += pc.sum(pc.greater(added["revision"], 0)).as_py() or 0
        store.write(metric.name, after, words(metric))
    return published, revised


def _publish_facts(
    contents: Contents, made: _Made, store: RollupStore, oldest: date, now: datetime
) -> None:
    """Replace what the pipeline counted about itself."""
    facts = fact_rows(contents.facts, made.duplicates, now)
    for name, table in {**facts, "suppressed": hidden_rows(made.hidden, now)}.items():
        metric = contents.registry.metrics.get(name)
        if metric is not None and table.num_rows:
            before = store.read(name, PUBLISHED)
            store.write(name, keep_rows(before, table, oldest), words(metric))


def _published(
    loaded: Loaded, registry: Registry, tasks: Iterable[tuple[Pass, list[date]]], method: Method
) -> Iterator[tuple[Pass, tuple[dict[str, pa.Table], pa.Table]]]:
    """Yield each pass with what it publishes and what the gate hid."""
    keys = keys_of(loaded, method.noise)
    made_of = MadeOf.of(loaded, registry, method, keys)

    def work(
        task: Pass, starts: list[date], contributions: pa.Table
    ) -> tuple[dict[str, pa.Table], pa.Table]:
        return publish(contributions, task, starts, method, keys, made_of)

    yield from loaded.each(tasks, work)


def _named(hidden: pa.Table, task: Pass, metric: str) -> pa.Table:
    """Add the name of the table whose cells were hidden."""
    for name, text in (
        ("metric", metric),
        ("by", ",".join(task.by)),
        ("window", task.window.value),
    ):
        hidden = hidden.append_column(name, pa.array([text] * hidden.num_rows, pa.string()))
    return hidden


def words(metric: Metric) -> dict[str, str]:
    """A metric's definition in words and SQL, as it travels with the file and to the page."""
    return {
        "name": metric.name,
        "title": metric.title,
        "sentence": metric.sentence,
        "unit": metric.unit,
        "kind": metric.kind.value,
        "good": metric.good,
        "page": metric.page,
        "caveat": metric.caveat,
        "perturbation": "" if metric.kind is MetricKind.FACT else f"cell-key {ptable.VERSION}",
        "population": metric.population,
        "measure": metric.measure,
        "denominator": metric.denominator,
        "requires": ",".join(metric.requires),
        "tables": "; ".join(
            f"{window.value}: {' × '.join(by) or 'total'}" for window, by in metric.tables
        ),
    }


def _manifest(
    before: Mapping[str, object],
    contents: Contents,
    collected: set[str],
    report: RollupReport,
    settings: RollupSettings,
    now: datetime,
) -> dict[str, object]:
    registry, files, facts = contents.registry, contents.files, contents.facts
    inputs: dict[str, dict[str, str]] = {}
    for file in files:
        if not is_closed(DaySpan(file.day, file.day), now):
            continue  # it must be due again when it closes, whether or not it changes
        inputs.setdefault(file.event, {})[str(file.day)] = file.digest
    tables = [name for task in passes(registry, tuple(Window)) for name in table_ids(task)]
    run = {
        "at": now.isoformat(),
        "windows": report.windows,
        "published": report.published,
        "revised": report.revised,
        "seconds": report.seconds,
    }
    runs = [*cast("list[object]", before.get("runs", [])), run][-RUNS_KEPT:]
    days = sorted(file.day for file in files)
    return {
        "version": FORMAT,
        "generated_at": now.isoformat(),
        "inputs": inputs,
        "tables": sorted(tables),
        "collected": sorted(collected),
        "runs": runs,
        "first_day": str(days[0]) if days else None,
        "last_day": str(days[-1]) if days else None,
        "epoch": {"kind": settings.epoch.value, "days": settings.epoch.days},
        "rule": {
            "accounts": settings.rule.accounts,
            "share": settings.rule.share,
        },
        "perturbation": {
            "method": "cell-key",
            "version": ptable.VERSION,
            "bound": ptable.BOUND,
            "variance": ptable.VARIANCE,
        },
        "metrics": [words(metric) for metric in registry.metrics.values()],
        "populations": {
            name: {"sentence": population.sentence, "sql": population.sql}
            for name, population in registry.populations.items()
        },
        "status": facts.status(),
        "heads": dict(facts.heads),
    }


def digest(names: Iterable[str]) -> str:
    """A short name for a set of files: it changes when a file is added, removed or rewritten."""
    text = "\n".join(sorted(names)).encode()
    return hashlib.blake2b(text, digest_size=8).hexdigest()
