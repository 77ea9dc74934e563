"""Late events and what corrections of frozen figures say about them.

Accounts that come late, 70 at a time, are all of one country, but not of one class of device: 1
to 19 of them use another. A correction by country tells of all of them, one by device only of those
whose cell has grown by enough; the difference is the few.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipeline.ops.rollup.figures import RecordKeys
from pipeline.ops.rollup.publication import KEYS, Method, publish
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import Pass
from pipeline.privacy.figures.revisions import newest, revise
from pipeline.privacy.figures.tally import START
from tests.dashboards import REGISTRY
from tests.unit.ops.rollup.attacked import METHOD, MONDAY, unsaid
from tests.unit.ops.rollup.attacks import Cell, Score, score
from tests.unit.ops.rollup.first_method import correct_exactly, publish_exactly

LATE = 70
COUNTRIES = ["DE", "FR", "IN", "JP", "US"]
DEVICES = ["desktop", "mobile", "tablet"]
TABLES = (("accounts_by_country", "country"), ("accounts_by_client", "device_class"))


def worlds(seed: int) -> tuple[pa.Table, pa.Table, int]:
    """Contributions before and after the late events, and how many accounts are the few."""
    random = np.random.default_rng(seed)
    few = int(random.integers(1, 20))
    rows = [
        (country, device)
        for country in COUNTRIES
        for device in DEVICES
        for _ in range(int(random.integers(40, 90)))
    ]
    late = [("DE", "desktop")] * (LATE - few) + [("DE", "tablet")] * few
    return _table(rows, seed), _table([*rows, *late], seed), few


def _table(rows: list[tuple[str, str]], seed: int) -> pa.Table:
    return pa.table(
        {
            START: pa.array([MONDAY] * len(rows), pa.date32()),
            "country": [row[0] for row in rows],
            "device_class": [row[1] for row in rows],
            "subject": pa.array(np.arange(len(rows)) + seed * 10_000),
            "events": pa.array(np.ones(len(rows), np.int64)),
        }
    )


def against_corrections(*, exactly: bool, method: Method = METHOD, worlds_tried: int = 60) -> Score:
    """The growth of one table less the growth of another, over many worlds."""
    estimates: dict[Cell, float] = {}
    truth: dict[Cell, float] = {}
    for seed in range(worlds_tried):
        before, after, few = worlds(seed)
        truth[seed,] = float(few)
        grown = [
            _growth(
                _exact(before, after, *table) if exactly else _frozen(before, after, method, *table)
            )
            for table in TABLES
        ]
        if all(grown):
            estimates[seed,] = grown[0] - grown[1]
    return score("one correction less another", estimates, truth)


Pair = tuple[Mapping[str, float], Mapping[str, float]]


def _growth(pair: Pair) -> float:
    before, after = pair
    return sum(after.values()) - sum(before[name] for name in after)


def _exact(before: pa.Table, after: pa.Table, metric: str, by: str) -> Pair:
    task = Pass("requests", Window.WEEK, (by,), "", (REGISTRY.metrics[metric],))
    tables = [
        {row.key[0]: row.value or 0.0 for row in publish_exactly(one, task, METHOD.rule)[metric]}
        for one in (before, after)
    ]
    return tables[0], correct_exactly(tables[0], tables[1])


def _frozen(before: pa.Table, after: pa.Table, method: Method, metric: str, by: str) -> Pair:
    """What the newest revision of each cell says, before and after the rollup ran again."""
    task = Pass("requests", Window.WEEK, (by,), "", (REGISTRY.metrics[metric],))
    subjects = after["subject"].to_numpy()
    keys = RecordKeys(subjects, method.noise.record_keys([f"{one:032x}" for one in subjects]))
    first, fresh = (
        publish(one, task, [MONDAY], method, keys, unsaid)[0][metric] for one in (before, after)
    )
    added = revise(first, fresh, method.rule, KEYS)
    last = newest(pa.concat_tables([first, added]), KEYS)
    return _cells(first), _cells(last)


def _cells(table: pa.Table) -> dict[str, float]:
    return dict(zip(table["key1"].to_pylist(), table["value"].to_pylist(), strict=True))
