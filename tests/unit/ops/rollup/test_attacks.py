"""The attacks must fail on what is published, and succeed on what 0.1 would have published."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.events.schema import SUBJECT
from pipeline.ops.rollup.figures import RecordKeys
from pipeline.ops.rollup.publication import publish
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import Pass
from pipeline.privacy.figures.gate import OTHER
from pipeline.privacy.figures.tally import START
from tests.dashboards import REGISTRY
from tests.unit.ops.rollup import attacks
from tests.unit.ops.rollup.attacked import METHOD, MONDAY, Both, as_rows, unsaid
from tests.unit.ops.rollup.attacks import Cell, Published, Row, Score, score
from tests.unit.ops.rollup.first_method import publish_exactly

RATIOS = ("http_5xx_rate", "http_4xx_rate", "throttled_rate", "start_success")
TWO_WAY = (
    ("accounts_by_country", "country,device_class"),
    ("accounts_by_client", "client_family,os_family"),
)


def cells_of(
    both: Both, metric: str, cut: str, window: str = "week"
) -> dict[tuple[object, tuple[str, ...]], pa.Table]:
    """What each account has in each true cell of a table."""
    table = both.given[metric, window, cut]
    by = [name for name in cut.split(",") if name]
    kinds = {**dict.fromkeys(by, pa.string()), SUBJECT: pa.int64()}
    plain = pa.table(
        {
            name: pc.cast(table[name], kinds[name]) if name in kinds else table[name]
            for name in table.column_names
        }
    )
    groups: dict[tuple[object, tuple[str, ...]], list[int]] = {}
    columns = [plain[START].to_pylist(), *(plain[name].to_pylist() for name in by)]
    for at, (day, *key) in enumerate(zip(*columns, strict=True)):
        groups.setdefault((day, tuple(key)), []).append(at)
    return {cell: plain.take(rows) for cell, rows in groups.items()}


def people(table: pa.Table) -> int:
    return int(pc.count_distinct(table[SUBJECT], mode="only_valid").as_py())


def few_numerators(both: Both, metric: str, complement: bool) -> dict[Cell, float]:
    """Of every cell of a ratio: what it counts, where that is of 1 to 19 accounts."""
    found: dict[Cell, float] = {}
    for name, window, cut in both.given:
        if name != metric:
            continue
        for (day, key), rows in cells_of(both, metric, cut, window).items():
            amount = rows[metric]
            if complement:
                amount = pc.subtract(rows[f"{metric}/of"], amount)
            counted = rows.filter(pc.greater(amount, 0.0))
            if 0 < people(counted) < 20:
                found[metric, day, cut, key] = float(pc.sum(amount).as_py())
    return found


def one_score(name: str, scores: Sequence[Score]) -> Score:
    """Join scores of one attack on several tables."""
    many = sum(one.targets for one in scores)
    if not many:
        return Score(name, 0, 0.0, 0.0)
    hits = sum(one.hits * one.targets for one in scores) / many
    return Score(name, many, hits, sum(one.guess * one.targets for one in scores) / many)


def against_ratios(both: Both, published: Published) -> Score:
    scores = [
        score("", attacks.numerators(published, m), few_numerators(both, m, False)) for m in RATIOS
    ]
    scores += [
        score("", attacks.complements(published, m), few_numerators(both, m, True)) for m in RATIOS
    ]
    return one_score("ratios against counts", scores)


def against_populations(both: Both, published: Published) -> Score:
    """Requests less those that were served: accounts that saw nothing but errors."""
    scores = []
    for cut in ("model", "region", "route"):
        asked, served = (cells_of(both, metric, cut) for metric in ("requests", "latency"))
        truth: dict[Cell, float] = {}
        for (day, key), rows in asked.items():
            left = people(rows) - people(served[day, key]) if (day, key) in served else 20
            if left < 20:
                truth["requests", "latency", day, cut, key] = float(left)
        estimates = attacks.populations(published, "requests", "latency")
        scores.append(score("", estimates, truth))
    return one_score("one population against another", scores)


LISTS = [["DE", "FR", "IN", "JP", "US"], ["desktop", "mobile", "tablet"]]


def tables(seed: int) -> tuple[pa.Table, dict[Cell, float]]:
    """Accounts by country and device, where a few cells are small: one row per account."""
    random = np.random.default_rng(seed)
    cells = [(country, device) for country in LISTS[0] for device in LISTS[1]]
    sizes = dict(zip(cells, random.integers(25, 90, len(cells)).tolist(), strict=True))
    for at in random.choice(len(cells), 3, replace=False):
        sizes[cells[at]] = int(random.integers(1, 20))
    rows = [cell for cell, many in sizes.items() for _ in range(many)]
    table = pa.table(
        {
            START: pa.array([MONDAY] * len(rows), pa.date32()),
            "country": [row[0] for row in rows],
            "device_class": [row[1] for row in rows],
            SUBJECT: pa.array(np.arange(len(rows)) + seed * 10_000),
            "events": pa.array(np.ones(len(rows), np.int64)),
        }
    )
    metric, cut = TWO_WAY[0]
    few: dict[Cell, float] = {
        (metric, MONDAY, cut, cell): float(n) for cell, n in sizes.items() if n < 20
    }
    return table, few


def against_margins(which: Callable[[Both], Published]) -> Score:
    """Forty tables of two dimensions and their margins."""
    scores = []
    metric, cut = TWO_WAY[0]
    for seed in range(40):
        rows, few = tables(seed)
        subjects = rows[SUBJECT].to_numpy()
        keys = RecordKeys(subjects, METHOD.noise.record_keys([f"{one:032x}" for one in subjects]))
        exact: dict[str, list[Row]] = {"accounts_by_client": [], metric: []}
        perturbed: dict[str, list[Row]] = {"accounts_by_client": [], metric: []}
        for by in (("country",), ("device_class",), ("country", "device_class")):
            task = Pass("requests", Window.WEEK, by, "", (REGISTRY.metrics[metric],))
            perturbed[metric] += as_rows(
                publish(rows, task, [MONDAY], METHOD, keys, unsaid)[0][metric]
            )
            exact[metric] += publish_exactly(rows, task, METHOD.rule)[metric]
        claims = attacks.margins(which(Both(exact, perturbed, {})), metric, cut, LISTS)
        scores.append(score("", claims, {cell: one for cell, one in few.items() if cell in claims}))
    return one_score("two dimensions against one, linear programming", scores)


def against_rows(both: Both, published: Published) -> Score:
    """Requests that a row or column hides, where they are of 1 to 19 accounts."""
    cut, scores = "model,region", []
    named = {(row.day, row.key) for row in published["requests"] if row.cut == cut}
    truth: dict[Cell, float] = {}
    for at, name in enumerate(cut.split(",")):
        rest: dict[Cell, list[pa.Table]] = {}
        for (day, key), rows in cells_of(both, "requests", cut).items():
            if (day, key) not in named:
                rest.setdefault((day, str(key[at])), []).append(rows)
        for (day, value), parts in rest.items():
            whole = pa.concat_tables(parts)
            if people(whole) < 20:
                truth["requests", day, cut, name, (value,)] = float(pc.sum(whole["events"]).as_py())
    scores.append(score("", attacks.rows_less_named(published, "requests", cut), truth))
    return one_score("two dimensions against one, subtraction", scores)


ATTACKS = [against_ratios, against_populations, against_rows]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_succeeds_against_the_first_method(
    lake: Both, attack: Callable[..., Score]
) -> None:
    found = attack(lake, lake.exact)
    assert found.targets >= 5, found
    assert found.better, found


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_does_no_better_than_guessing(lake: Both, attack: Callable[..., Score]) -> None:
    found = attack(lake, lake.perturbed)
    assert not found.better, found


def test_linear_programming_fills_in_what_the_first_method_hides() -> None:
    found = against_margins(lambda both: both.exact)
    assert found.targets >= 30, found
    assert found.hits == 1.0


def test_linear_programming_claims_nothing_of_what_is_perturbed() -> None:
    found = against_margins(lambda both: both.perturbed)
    assert found.targets == 0, found


def test_no_limit_or_number_is_of_a_part_of_few_accounts(lake: Both) -> None:
    """Numerators that are published have 20 accounts and so have their complements."""
    for metric in RATIOS:
        few = {**few_numerators(lake, metric, False), **few_numerators(lake, metric, True)}
        for row in lake.perturbed[metric]:
            if OTHER not in row.key:
                assert row.numerator is None or (metric, row.day, row.cut, row.key) not in few


def test_guessing_is_measured_with_the_truth_in_hand() -> None:
    truth: dict[Cell, float] = {(n,): float(n) for n in range(20)}
    assert score("", {}, truth).guess == pytest.approx(0.25)
    perfect = score("", truth, truth)
    assert perfect.hits == 1.0
    assert perfect.better
    blurred = {cell: one + (3 if one % 2 else 0) for cell, one in truth.items()}
    assert np.isclose(score("", blurred, truth).hits, 0.5)
