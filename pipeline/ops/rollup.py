"""`telemetry rollup`: publish what became publishable since the last run.

Only closed days that are new or whose files changed are computed. Windows that were published
are frozen (`privacy.revisions`). A run that is interrupted has published some metrics and
is simply run again: the manifest, which remembers what was computed, is written last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import SchemaError
from pipeline.io.rollups import RollupStore
from pipeline.ops.rollup_facts import Facts, fact_rows, hidden_rows, keep_rows
from pipeline.ops.rollup_plan import loads, plan, table_ids
from pipeline.ops.rollup_query import Loaded, load
from pipeline.ops.rollup_registry import Metric, Registry, Window
from pipeline.ops.rollup_rows import Datasets, DayFiles
from pipeline.ops.rollup_sql import Pass, passes
from pipeline.ops.rollup_values import KEYS, PUBLISHED, publish
from pipeline.ops.rollup_windows import Span, is_closed
from pipeline.privacy.epochs import EpochKind
from pipeline.privacy.gate import Rule
from pipeline.privacy.revisions import newest, revise

RUNS_KEPT = 60


@dataclass(frozen=True, slots=True)
class RollupSettings:
    """How publications are made."""

    epoch: EpochKind = EpochKind.FOUR_WEEKS
    rule: Rule = field(default_factory=lambda: Rule(rounding=10))
    """`rounding` is used where a table has two dimensions."""
    keep_days: int = 760
    """How long a publication is kept; it may outlive the rows."""
    memory_mb: int = 640
    spill: Path | None = None
    """Folder for rows that do not fit into this memory; they are removed at the end."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did."""

    days: int
    windows: int
    published: int
    revised: int
    hidden_cells: int
    seconds: float


def roll_up(
    registry: Registry,
    files: Sequence[DayFiles],
    schemas: Mapping[str, pa.Schema],
    store: RollupStore,
    facts: Facts,
    settings: RollupSettings,
    now: datetime,
    clock: Callable[[], float],
    datasets: Datasets | None = None,
) -> Report:
    """Compute and publish every closed window that is due; returns what was done.

    `files` are all files of the lake's event tables; `schemas` their stored columns; `clock`
    a monotonic clock in seconds; `datasets` opens files that DuckDB cannot. Raises LakeError.
    """
    began = clock()
    if lacking := sorted(set(registry.views) - set(schemas)):
        raise SchemaError(
            "metrics read an event that has no schema",
            where=f"populations.toml events.{lacking[0]}",
            remedy="Add the event's schema, or remove the event and what reads it from the metrics",
        )
    manifest = store.manifest()
    work = plan(registry, files, manifest, settings.epoch, now)
    fresh: dict[str, list[pa.Table]] = {}
    hidden: list[pa.Table] = []
    collected = set(cast("list[str]", manifest.get("collected", [])))
    duplicates: dict[tuple[str, date], int] = {}
    for wanted, tasks in loads(work, files, settings.epoch):
        with load(
            registry, wanted, schemas, settings.epoch, settings.memory_mb, datasets, settings.spill
        ) as loaded:
            collected |= loaded.held.collected
            duplicates |= dict.fromkeys(((f.event, f.day) for f in wanted), 0)
            duplicates |= loaded.held.duplicates
            for task, rows, unseen in _published(loaded, tasks, settings, now):
                for name, table in rows.items():
                    fresh.setdefault(name, []).append(table)
                    hidden.append(_named(unseen, task, name))
    oldest = now.date() - timedelta(days=settings.keep_days)
    published = revised = 0
    for metric in registry.metrics.values():
        if metric.name not in fresh:
            continue
        before = store.read(metric.name, PUBLISHED)
        added = _admissible(before, pa.concat_tables(fresh[metric.name]), settings.rule)
        after = newest(pa.concat_tables([before, added]), KEYS)
        after = after.filter(pc.greater_equal(after["first_day"], pa.scalar(oldest)))
        published += added.num_rows
        revised += pc.sum(pc.greater(added["revision"], 0)).as_py() or 0
        store.write(metric.name, after, words(metric))
    facts_of = {**fact_rows(facts, duplicates, now), "suppressed": hidden_rows(hidden, now)}
    for name, table in facts_of.items():
        if name in registry.metrics and table.num_rows:
            before = store.read(name, PUBLISHED)
            store.write(name, keep_rows(before, table, oldest), words(registry.metrics[name]))
    report = Report(
        days=len({day for _, starts in work for day in starts}),
        windows=sum(len(starts) for _, starts in work),
        published=published,
        revised=revised,
        hidden_cells=sum(pc.sum(table["hidden_cells"]).as_py() or 0 for table in hidden),
        seconds=round(clock() - began, 3),
    )
    store.write_manifest(
        _manifest(manifest, registry, files, collected, report, settings, facts, now)
    )
    return report


def _published(
    loaded: Loaded,
    tasks: Iterable[tuple[Pass, list[date]]],
    settings: RollupSettings,
    now: datetime,
) -> Iterator[tuple[Pass, dict[str, pa.Table], pa.Table]]:
    """Each pass with what it publishes and what the gate hid.

    While one pass goes through the gate the next is asked of the rows, so two are held at once.
    """

    def result(task: Pass, future: _Publication) -> tuple[Pass, dict[str, pa.Table], pa.Table]:
        return (task, *future.result())

    waiting: list[tuple[Pass, _Publication]] = []
    with ThreadPoolExecutor(1) as gate:
        for task, starts in tasks:
            if not starts:
                continue
            answers = loaded.ask(task)
            yield from (result(*one) for one in waiting)
            future = gate.submit(publish, answers, task, starts, settings.epoch, settings.rule, now)
            waiting = [(task, future)]
            del answers
        yield from (result(*one) for one in waiting)


_Publication = Future[tuple[dict[str, pa.Table], pa.Table]]


def _named(hidden: pa.Table, task: Pass, metric: str) -> pa.Table:
    """Say of which table cells were hidden."""
    for name, text in (
        ("metric", metric),
        ("by", ",".join(task.by)),
        ("window", task.window.value),
    ):
        hidden = hidden.append_column(name, pa.array([text] * hidden.num_rows, pa.string()))
    return hidden


def _admissible(before: pa.Table, fresh: pa.Table, rule: Rule) -> pa.Table:
    """What may be published: tables of two dimensions need to move further, being rounded."""
    parts = []
    for two, one_rule in ((False, Rule(rule.accounts, rule.share)), (True, rule)):

        def mine(table: pa.Table, two: bool = two) -> pa.Table:
            return table.filter(pc.equal(pc.match_substring(table["cut"], ","), two))

        parts.append(revise(mine(before), mine(fresh), one_rule, KEYS))
    return pa.concat_tables(parts)


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
    registry: Registry,
    files: Sequence[DayFiles],
    collected: set[str],
    report: Report,
    settings: RollupSettings,
    facts: Facts,
    now: datetime,
) -> dict[str, object]:
    inputs: dict[str, dict[str, str]] = {}
    for file in files:
        if not is_closed(Span(file.day, file.day), now):
            continue  # it must be due once more when it closes, whether or not it changes
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
        "version": 1,
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
            "rounding": settings.rule.rounding,
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
