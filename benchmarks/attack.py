"""Attack what a rollup publishes of a lake of a million events, and measure what perturbing costs.

    python -m benchmarks.attack [--requests 740000] [--accounts 20000] [--days 14]

Each attack of `tests/unit/ops/rollup` (arithmetic, changes, one linear program over everything) is
scored against guessing with the truth in hand, on what is published and on what 0.1 would have
published of the same rows. The error of figures is that of published counts of accounts and of
events against the exact ones, by size of the cell.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.ops.rollup.contributions import load
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake
from tests.unit.ops.rollup.attacked import MONDAY, Both, against_everything, both, truth_of
from tests.unit.ops.rollup.attacks import Published
from tests.unit.ops.rollup.corrections import against_corrections
from tests.unit.ops.rollup.test_attacks import ATTACKS, against_margins
from tests.unit.ops.rollup.test_attacks_on_everything import CHANGES

SIZES = (20, 50, 100, 1_000, 10_000, 1_000_000)


def errors(lake: Both, metrics: Sequence[str]) -> Iterator[dict[str, object]]:
    """Median and 99th percentile of the relative error, by size of the exact figure."""
    pairs = []
    for metric in metrics:
        exact = {(row.day, row.cut, row.key): row.value for row in lake.exact[metric]}
        for row in lake.perturbed[metric]:
            true = exact.get((row.day, row.cut, row.key))
            if true and row.value is not None:
                pairs.append((true, abs(row.value - true)))
    true, off = np.array(pairs).T
    for low, high in pairwise(SIZES):
        mine = (true >= low) & (true < high)
        if mine.any():
            relative = off[mine] / true[mine]
            yield {
                "from": low,
                "below": high,
                "figures": int(mine.sum()),
                "median": round(float(np.median(relative)), 4),
                "p99": round(float(np.quantile(relative, 0.99)), 4),
            }


def perturbed(lake: Both) -> Published:
    """What is published."""
    return lake.perturbed


def exact(lake: Both) -> Published:
    """What 0.1 would have published."""
    return lake.exact


def main() -> None:
    """Make the lake, publish it twice, attack both."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--requests", type=int, default=740_000)
    arguments.add_argument("--accounts", type=int, default=20_000)
    arguments.add_argument("--days", type=int, default=14)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        world = World(MONDAY, chosen.days, chosen.requests, chosen.accounts, seed=5)
        files = write_lake(Path(folder), world)
        with load(REGISTRY, files, SCHEMAS, EPOCH, memory_mb=2_000) as loaded:
            lake = both(loaded)
        truth = truth_of(lake)
        result: dict[str, object] = {"rows": sum(file.rows for file in files)}
        for name, which, first in (("0.1", exact, True), ("now", perturbed, False)):
            scores = [attack(lake, which(lake)) for attack in ATTACKS]
            scores += [against_margins(which), *(attack(lake, first) for attack in CHANGES)]
            scores += [against_corrections(exactly=first), *against_everything(which(lake), truth)]
            result[name] = [{**asdict(one), "better_than_guessing": one.better} for one in scores]
    result["accounts"] = list(errors(lake, ("accounts_by_country", "accounts_by_client")))
    result["requests"] = list(errors(lake, ("requests",)))
    json.dump(result, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
