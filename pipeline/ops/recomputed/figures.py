"""Published figures, recomputed from the rows that are still stored, and compared.

Every figure says in a few keyed digits what it was made of (`ops.rollup.made_of`). From the same
rows, by the same rule and definition, the gate, the perturbation and its secret give exactly what
is published: every cell and every number, and no cell more or less. Figures are frozen, so rows may
have come (late) or gone (an erasure) since; then a commit or a receipt after the publication
must say so, and a cell may have no more accounts than its rows and those removals give.
Figures made by a rule or definition other than today's are not verified.

Memory holds one load of a rollup (see `ops.rollup.plan`), of `MOST_ROWS` rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.io.lake.lake import Lake
from pipeline.ops.recomputed.comparison import CLOCKS, compared
from pipeline.ops.recomputed.facts import SUPPRESSED, wrong_hidden
from pipeline.ops.recomputed.loads import by_name, parts_of
from pipeline.ops.rollup.contributions import ROWS_MEMORY_MB, Loaded, load
from pipeline.ops.rollup.lake_files import RemoteFiles, StoredDays
from pipeline.ops.rollup.made_of import MadeOf, keys_of, reach, rule_of, sources_of
from pipeline.ops.rollup.publication import MEASURES, PUBLISHED, Method, publish
from pipeline.ops.rollup.registry import Metric, MetricKind, Registry, Window
from pipeline.ops.rollup.sql import Pass, passes
from pipeline.ops.scan.findings import Doubt, Finding
from pipeline.ops.views import oldest_visible
from pipeline.privacy.figures.equality import numbers
from pipeline.privacy.figures.gate import OTHER, Rule
from pipeline.privacy.figures.perturbation import Perturbation
from pipeline.privacy.figures.ptable import BOUND
from pipeline.privacy.figures.tally import START, tally
from pipeline.privacy.identity.epochs import EpochKind

RECOMPUTED, GATED = "figures_recomputed", "aggregates_gated"
MOST_ROWS = 8_000_000
"""Most rows of one load; with the memory below, an audit stays under a gibibyte."""
MEMORY_MB = 192
"""Memory for the rows of a load; the rest of them goes to the folder for spilled rows."""
TOO_MANY = f"windows of more than {MOST_ROWS // 1_000_000} million rows (--all-figures)"


@dataclass(frozen=True, slots=True)
class Removal:
    """A receipt for rows that were removed, set aside or brought back."""

    at: datetime
    requests: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recomputation:
    """What is to be recomputed, and with what."""

    lake: Lake
    registry: Registry
    schemas: Mapping[str, pa.Schema]
    secret: bytes = field(repr=False)
    epoch: EpochKind
    now: datetime
    removals: Sequence[Removal] = ()
    spill: Path | None = None
    everything: bool = False
    """Whether to include windows whose rows take more memory than an audit should."""


@dataclass(slots=True)
class Recomputed:
    """What a recomputation compared, and what it found."""

    equal: int = 0
    """Figures that are exactly what their rows give."""
    moved: int = 0
    """Figures whose rows have changed since, and that differ by no more than this explains."""
    gone: int = 0
    """Figures whose rows have expired."""
    findings: list[Finding] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    published: Recomputation
    days: StoredDays
    tables: Mapping[str, pa.Table]
    suppressed: pa.Table
    done: Recomputed = field(default_factory=Recomputed)
    wrong: dict[tuple[str, str, tuple[str, ...]], int] = field(default_factory=dict)

    def note(self, metric: str, reason: str, count: int, *more: str) -> None:
        """Count figures of a metric that are wrong in one way."""
        key = metric, reason, (RECOMPUTED, *more)
        self.wrong[key] = self.wrong.get(key, 0) + count


def recompute(published: Recomputation, days: StoredDays) -> Recomputed:
    """Recompute every published figure whose rows are stored. Raises LakeError."""
    store, registry = published.lake.rollups(), published.registry
    tables = {
        metric.name: store.read(metric.name, PUBLISHED)
        for metric in registry.metrics.values()
        if metric.kind is not MetricKind.FACT
    }
    first = pa.scalar(min((file.day for file in days.files), default=date.max))
    total = sum(table.num_rows for table in tables.values())
    for name, table in tables.items():
        tables[name] = table.filter(pc.greater_equal(table["first_day"], first))
    run = _Run(published, days, tables, store.read(SUPPRESSED, PUBLISHED))
    run.done.gone = total - sum(table.num_rows for table in tables.values())
    for words, rule in _rules(run):
        _by_rule(run, words, rule)
    run.done.findings += [
        Finding(checks, f"lake/rollups/{metric}/{metric}.parquet", reason, count)
        for (metric, reason, checks), count in run.wrong.items()
    ]
    return run.done


def _rules(run: _Run) -> Iterator[tuple[str, Rule]]:
    """Every rule by which figures say they were made; a figure that names none is a finding."""
    found: set[str] = set()
    for name, table in run.tables.items():
        words = pc.replace_substring_regex(
            pc.fill_null(table["made_of"], ""), "/[0-9a-f]{16}/[0-9a-f]{16}$", ""
        )
        for one in pc.value_counts(words.combine_chunks()).to_pylist():
            if rule_of(one["values"]) is None:
                run.note(name, "figures that do not say what they were made of", one["counts"])
            else:
                found.add(one["values"])
    yield from ((words, rule) for words in sorted(found) if (rule := rule_of(words)) is not None)


def _by_rule(run: _Run, words: str, rule: Rule) -> None:
    one = run.published
    method = Method(one.epoch, rule, Perturbation(one.secret, rule.accounts), one.now)
    work = [
        (task, starts)
        for task in passes(one.registry, tuple(Window))
        if (starts := _starts(run, task, words))
    ]
    datasets = None if run.days.direct else RemoteFiles(one.lake, one.schemas)
    most = None if one.everything else MOST_ROWS
    for part in parts_of(work, run.days.files, one.registry, one.epoch, most):
        if most is not None and part.rows > most:
            run.done.doubts += [
                Doubt((RECOMPUTED,), f"lake/rollups/{name}", TOO_MANY)
                for name in sorted(part.metrics)
            ]
            continue
        opened = partial(
            load,
            schemas=one.schemas,
            epoch=one.epoch,
            memory_mb=MEMORY_MB if one.spill else ROWS_MEMORY_MB,
            datasets=datasets,
            spill=one.spill,
        )
        # What the scan or the load before left in Arrow's pool would come on top of this load.
        pa.default_memory_pool().release_unused()
        marks: dict[tuple[str, date], int] = {}
        if part.before:
            names = by_name(one.registry)
            with opened(names, part.before) as loaded:
                keys = keys_of(loaded, method.noise)
                marks |= MadeOf.of(loaded, names, method, keys).marks
        with opened(one.registry, part.files) as loaded:
            _compare_load(run, loaded, part.work, method, words, marks)


def _starts(run: _Run, task: Pass, words: str) -> list[date]:
    starts: set[date] = set()
    for metric in task.metrics:
        starts |= set(
            pc.unique(_mine(run.tables[metric.name], task, words)["first_day"]).to_pylist()
        )
    return sorted(starts)


def _mine(table: pa.Table, task: Pass, words: str) -> pa.Table:
    """The rows of one table that were made by one rule."""
    mine = pc.and_(
        pc.equal(table["grain"], task.window.value), pc.equal(table["cut"], ",".join(task.by))
    )
    return table.filter(pc.and_(mine, pc.starts_with(table["made_of"], f"{words}/")))


def _compare_load(
    run: _Run,
    loaded: Loaded,
    tasks: Iterable[tuple[Pass, list[date]]],
    method: Method,
    words: str,
    before: Mapping[tuple[str, date], int],
) -> None:
    keys = keys_of(loaded, method.noise)
    made_of = MadeOf.of(loaded, run.published.registry, method, keys)
    made_of = replace(made_of, marks={**before, **made_of.marks})

    def work(task: Pass, starts: list[date], contributions: pa.Table) -> None:
        rows, hidden = publish(contributions, task, starts, method, keys, made_of)
        wanted = pa.array(starts, pa.date32())
        for metric in task.metrics:
            mine = _mine(run.tables[metric.name], task, words)
            mine = mine.filter(pc.is_in(mine["first_day"], value_set=wanted))
            now = {start: made_of(metric, task, start) for start in starts}
            same, moved = _sorted_out(run, metric, task, mine, now)
            _compare(run, metric, same, rows[metric.name], mine)
            _bound(run, metric, task, moved, contributions)
            whole = set(same["first_day"].to_pylist()) - set(moved["first_day"].to_pylist())
            place = metric.name, task.window.value, task.by
            for _ in wrong_hidden(run.suppressed, *place, hidden, whole):
                run.note(SUPPRESSED, "a share of hidden events that rows and gate do not give", 1)

    for _ in loaded.each(tasks, work, ahead=False):
        pass


def _sorted_out(
    run: _Run, metric: Metric, task: Pass, mine: pa.Table, now: Mapping[date, str]
) -> tuple[pa.Table, pa.Table]:
    """Separate figures made of the rows as they are from those whose rows have changed since.

    The others are either not verified, or claim a change of rows that nothing else confirms.
    """
    oldest = oldest_visible(run.published.now.date())
    same = np.zeros(mine.num_rows, bool)
    moved = np.zeros(mine.num_rows, bool)
    columns = (mine[name].to_pylist() for name in ("made_of", "first_day", "published_at"))
    older: dict[tuple[str, date, datetime], bool | None] = {}
    for row, key in enumerate(zip(*columns, strict=True)):
        origin, start, at = key
        if origin == now[start]:
            same[row] = True
            continue
        if reach(start, task.window, run.published.epoch).start < oldest:
            run.done.gone += 1  # it also rests on the days before its window
            continue
        if key not in older:
            known = origin.rpartition("/")[0] == now[start].rpartition("/")[0]
            older[key] = _told(run, task, start, at) if known else None
        if older[key] is None:
            reason = "made by another definition than today's"
            run.done.doubts.append(Doubt((RECOMPUTED,), f"lake/rollups/{metric.name}", reason))
        elif older[key]:
            moved[row] = True
        else:
            run.note(metric.name, "made of other rows, and nothing says what changed", 1)
    return mine.filter(pa.array(same)), mine.filter(pa.array(moved))


def _told(run: _Run, task: Pass, start: date, at: datetime) -> bool:
    """Whether anything says that rows of a window changed after it was published."""
    one = run.published
    days = reach(start, task.window, one.epoch).days()
    events = one.registry.populations[task.population].reads
    newest = [run.days.added.get((event, day)) for event in events for day in days]
    moments = [moment for moment in newest if moment is not None]
    moments += [removal.at for removal in one.removals]
    return any(moment >= at - CLOCKS for moment in moments)


def _compare(run: _Run, metric: Metric, same: pa.Table, fresh: pa.Table, mine: pa.Table) -> None:
    """Compare number by number what was made from exactly these rows."""
    both, given, equal = compared(same, fresh, [*MEASURES, "accounts"], "left outer")
    fewer = numbers(both["now_accounts"]) < numbers(both["accounts"])
    if count := int((~given).sum()):
        run.note(metric.name, "cells that their rows do not give", count, GATED)
    if count := int((given & fewer).sum()):
        run.note(metric.name, "cells of fewer accounts than published", count, GATED)
    if count := int((given & ~equal & ~fewer).sum()):
        run.note(metric.name, "figures that rows and key do not give", count)
    if count := _left_out(same, fresh, mine):
        run.note(metric.name, "cells are missing that their rows give", count)
    run.done.equal += int(equal.sum())


def _left_out(same: pa.Table, fresh: pa.Table, mine: pa.Table) -> int:
    """Count cells missing from a window in which nothing was corrected, and nothing moved."""

    first = Counter(same.filter(pc.equal(same["revision"], 0))["first_day"].to_pylist())
    whole, given = Counter(mine["first_day"].to_pylist()), Counter(fresh["first_day"].to_pylist())
    return sum(max(given[day] - many, 0) for day, many in first.items() if whole[day] == many)


def _bound(run: _Run, metric: Metric, task: Pass, moved: pa.Table, contributions: pa.Table) -> None:
    """Check that no cell had more accounts than its rows and the removals since can give.

    Where accounts are classified by what they did, a late event moves one to another class.
    """
    sources = sources_of(run.published.registry, task.population)
    if not moved.num_rows or (task.by and any("GROUP BY" in sql for sql in sources)):
        run.done.moved += moved.num_rows
        return
    names = [START, *task.by]
    counted = tally(contributions, task.by)
    accounts = np.bincount(counted.cell[counted.account > 0], minlength=counted.keys.num_rows)
    cells = zip(*(counted.keys[name].to_pylist() for name in names), strict=True)
    held = dict(zip(cells, accounts.tolist(), strict=True))
    shown = ["first_day", *["key1", "key2"][: len(task.by)]]
    rows = zip(*(moved[name].to_pylist() for name in shown), strict=True)
    said = numbers(moved["accounts"])  # where a cell says nothing, another check finds it
    if metric.kind is MetricKind.ACCOUNTS:
        said = np.fmax(said, numbers(moved["value"]))
    at = moved["published_at"].to_pylist()
    removed = {moment: _removed(run, moment) for moment in set(at)}
    fewer = sum(
        OTHER not in row and claimed - BOUND > held.get(row, 0) + removed[moment]
        for row, claimed, moment in zip(rows, said.tolist(), at, strict=True)
    )
    if fewer:
        run.note(metric.name, "cells of fewer accounts than published", fewer, GATED)
    run.done.moved += moved.num_rows - fewer


def _removed(run: _Run, since: datetime) -> int:
    """How many accounts can have lost rows since."""
    later = (one.requests for one in run.published.removals if one.at >= since - CLOCKS)
    return len(frozenset[str]().union(*later))
