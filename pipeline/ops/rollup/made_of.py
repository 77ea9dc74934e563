"""What a figure was made of: its rule, its definition and its rows, in a few digits.

They are published beside every figure, so that a recomputation (`ops.recomputed`) knows what to
expect: with the same digits, the same figure; with different ones, something must have been added
or removed since. The digits are keyed by the secret of the perturbation.

    20/0.8/5f0c91d2e3a4b576/77a0c2d4e6f81b3c        accounts/share/definition/rows
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow.compute as pc

from pipeline.errors import SettingsError
from pipeline.ops.rollup.contributions import Loaded
from pipeline.ops.rollup.figures import RecordKeys
from pipeline.ops.rollup.publication import Method
from pipeline.ops.rollup.registry import Metric, Population, Registry, Window
from pipeline.ops.rollup.sql import Pass
from pipeline.ops.rollup.windows import DaySpan, span_of
from pipeline.privacy.figures import ptable
from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.perturbation import Perturbation
from pipeline.privacy.identity.epochs import EpochKind, epoch_of

FORM = r"[0-9]{2,9}/0\.[0-9]{1,6}/[0-9a-f]{16}/[0-9a-f]{16}"
BEFORE = timedelta(days=7)
"""A week is compared with the one before it."""


@dataclass(frozen=True, slots=True)
class MadeOf:
    """Names what the figures of one load are made of."""

    registry: Registry
    method: Method
    marks: Mapping[tuple[str, date], int]
    """The number that stands for the rows of an event on a day; 0 if there are none."""

    @classmethod
    def of(cls, loaded: Loaded, registry: Registry, method: Method, keys: RecordKeys) -> MadeOf:
        """Compute the marks of the loaded rows."""
        marks: dict[tuple[str, date], int] = {}
        for event in registry.views:
            counted = loaded.rows_by_account(event)
            days = pc.dictionary_encode(counted["event_date"].combine_chunks())
            found = method.noise.row_marks(
                days.indices.to_numpy().astype(np.int64),
                keys.of_subjects(counted["subject"]),
                counted["rows"].to_numpy().astype(np.int64),
                len(days.dictionary),
            )
            names = ((event, day) for day in days.dictionary.to_pylist())
            marks |= dict(zip(names, found.tolist(), strict=True))
        return cls(registry, method, marks)

    def __call__(self, metric: Metric, task: Pass, start: date) -> str:
        """Return the origin of one window of one table of a metric."""
        rule = self.method.rule
        origin = f"{self._definition(metric, task)}/{self._rows(task, start)}"
        return f"{rule.accounts}/{rule.share:g}/{origin}"

    def _definition(self, metric: Metric, task: Pass) -> str:
        sources = sources_of(self.registry, task.population)
        how = (
            metric.kind.value,
            metric.measure,
            metric.denominator,
            metric.quantiles,
            metric.edges,
        )
        where = (metric.whole, task.window.value, task.by, task.column, self.method.epoch.value)
        return self.method.noise.digest(f"{ptable.VERSION} {how} {where} {sources}")

    def _rows(self, task: Pass, start: date) -> str:
        reads = self.registry.populations[task.population].reads
        days = reach(start, task.window, self.method.epoch).days()
        marks = (
            f"{day} {event} {self.marks.get((event, day), 0)}" for day in days for event in reads
        )
        return self.method.noise.digest("\n".join(marks))


def rule_of(words: str) -> Rule | None:
    """The rule that an origin begins with; None if there is no such rule.

    >>> rule_of("20/0.8"), rule_of("5/0.8")
    (Rule(accounts=20, share=0.8, events=1), None)
    """
    accounts, _, share = words.partition("/")
    try:
        rule = Rule(int(accounts), float(share))
    except (ValueError, SettingsError):
        return None
    return rule if f"{rule.accounts}/{rule.share:g}" == words else None


def sources_of(registry: Registry, population: str) -> list[str]:
    """The SQL of a population and of all populations that it reads."""
    return [one.sql for one in populations_of(registry, population)]


def populations_of(registry: Registry, population: str) -> list[Population]:
    """A population and all populations that it reads."""
    known = registry.populations
    names, found = [population], list[Population]()
    while names:
        found.append(known[names.pop()])
        names += [one for one in known if one in found[-1].sql and known[one] not in found]
    return found


def keys_of(loaded: Loaded, noise: Perturbation) -> RecordKeys:
    """The record key of every account of a load."""
    accounts = loaded.held.accounts
    return RecordKeys(
        accounts["subject"].to_numpy(), noise.record_keys(accounts["token"].to_pylist())
    )


def reach(start: date, window: Window, epoch: EpochKind) -> DaySpan:
    """The days whose rows a window's figures may rest on."""
    span = span_of(start, window, epoch)
    if window is not Window.WEEK:
        return span
    return DaySpan(max(start - BEFORE, epoch_of(start, epoch).first_day), span.end)
