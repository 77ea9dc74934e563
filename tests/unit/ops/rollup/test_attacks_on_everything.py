"""Everything that is published at once, and what changes of it say; mutants are caught.

A mutant is the perturbation or the gate with one of its properties taken away. The attacks that
fail on what is published must succeed on at least one figure of each mutant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.events.schema import SUBJECT
from pipeline.ops.rollup.publication import publish
from pipeline.ops.rollup.registry import Window
from pipeline.ops.rollup.sql import Pass
from pipeline.privacy.figures import gate, ptable
from pipeline.privacy.figures.gate import Rule
from pipeline.privacy.figures.perturbation import Floats, Parts, Perturbation, Perturbed
from pipeline.privacy.figures.tally import START
from tests.dashboards import REGISTRY, SECRET
from tests.unit.ops.rollup.attacked import (
    METHOD,
    MONDAY,
    Both,
    Truth,
    again,
    against_everything,
    as_rows,
    record_keys,
    truth_of,
    unsaid,
)
from tests.unit.ops.rollup.attacks import Cell, Score, score
from tests.unit.ops.rollup.corrections import against_corrections
from tests.unit.ops.rollup.first_method import publish_exactly

WEEK = [MONDAY + timedelta(days=number) for number in range(7)]


@pytest.fixture(scope="module")
def truth(lake: Both) -> Truth:
    return truth_of(lake)


def requests_of(lake: Both, window: Window, by: tuple[str, ...], *, exactly: bool,
                without: int | None = None) -> float:  # fmt: skip
    """All that is published of the week's requests in one table, added up."""
    rows = lake.given["requests", window.value, ",".join(by)]
    starts = WEEK if window is Window.DAY else [MONDAY]
    rows = rows.filter(pc.is_in(rows[START], value_set=pa.array(starts, pa.date32())))
    if without is not None:
        kept = pc.fill_null(pc.not_equal(rows[SUBJECT].cast(pa.int64()), without), True)
        rows = rows.filter(kept)
    task = Pass("requests", window, by, "", (REGISTRY.metrics["requests"],))
    if exactly:
        cells = publish_exactly(rows, task, METHOD.rule)["requests"]
    else:
        keys = record_keys(lake, METHOD)
        made, _ = publish(rows, task, starts, METHOD, keys, unsaid)
        cells = list(as_rows(made["requests"]))
    return sum(row.value or 0.0 for row in cells)


def chosen(lake: Both, many: int = 30) -> Mapping[int, float]:
    """Accounts of all sizes, with how many requests each sent in the week."""
    rows = lake.given["requests", "week", "model"]
    mine = rows.filter(pc.equal(rows[START], pa.scalar(MONDAY)))
    added = mine.group_by(SUBJECT).aggregate([("events", "sum")]).to_pydict()
    held = sorted((events, int(one)) for one, events in zip(
        added[SUBJECT], added["events_sum"], strict=True) if one is not None)  # fmt: skip
    return {one: float(events) for events, one in held[:: max(1, len(held) // many)][:many]}


Changes = Callable[[Both, bool], Score]


def against_late_events(lake: Both, exactly: bool) -> Score:
    """The days were published before an account's events arrived, their week afterwards."""
    week = requests_of(lake, Window.WEEK, ("model",), exactly=exactly)
    return _scored("late events", lake, lambda one: week - requests_of(
        lake, Window.DAY, (), exactly=exactly, without=one))  # fmt: skip


def against_rebuilds(lake: Both, exactly: bool) -> Score:
    """A table of one week from before an erasure, and the same one made again after it."""
    before = requests_of(lake, Window.WEEK, ("model",), exactly=exactly)
    return _scored("before and after an erasure", lake, lambda one: before - requests_of(
        lake, Window.WEEK, ("model",), exactly=exactly, without=one))  # fmt: skip


def against_erasures(lake: Both, exactly: bool) -> Score:
    """The days were published before an account was erased, their week afterwards."""
    days = requests_of(lake, Window.DAY, (), exactly=exactly)
    return _scored("an erasure between days and week", lake, lambda one: days - requests_of(
        lake, Window.WEEK, ("model",), exactly=exactly, without=one))  # fmt: skip


def _scored(name: str, lake: Both, estimate: Callable[[int], float]) -> Score:
    truth = chosen(lake)
    found: dict[Cell, float] = {(one,): estimate(one) for one in truth}
    return score(name, found, {(one,): many for one, many in truth.items()})


CHANGES = [against_late_events, against_erasures, against_rebuilds]


def test_one_program_over_everything_finds_the_parts_of_the_first_method(
    lake: Both, truth: Truth
) -> None:
    scores = {one.attack.split()[-1]: one for one in against_everything(lake.exact, truth)}
    assert all(one.targets >= 100 for one in scores.values()), scores
    for name in ("parts", "complements"):
        assert scores[name].better, scores
        assert scores[name].hits > 0.85, scores


def test_one_program_over_everything_does_no_better_than_guessing(lake: Both, truth: Truth) -> None:
    scores = against_everything(lake.perturbed, truth)
    assert [one for one in scores if one.better] == []


@pytest.mark.parametrize("attack", CHANGES, ids=lambda attack: attack.__name__)
def test_a_change_shows_in_the_first_method_and_not_in_what_is_published(
    lake: Both, attack: Changes
) -> None:
    first = attack(lake, True)
    assert first.better, first
    assert first.hits > 0.9, first
    now = attack(lake, False)
    assert not now.better, now


def test_corrections_tell_of_few_accounts_in_the_first_method_only() -> None:
    first = against_corrections(exactly=True)
    assert first.better, first
    assert first.hits == 1.0, first
    now = against_corrections(exactly=False)
    assert now.hits < now.guess / 2, now


def totals(parts: Parts, cells: int) -> Floats:
    return np.bincount(parts.cell, parts.amount, cells).astype(np.float64)


apply = Perturbation.apply


def without_noise(self: Perturbation, parts: Parts, cells: int) -> Perturbed:
    return Perturbed(totals(parts, cells), apply(self, parts, cells).scale)


def with_one_noise(self: Perturbation, parts: Parts, cells: int) -> Perturbed:
    scale = apply(self, parts, cells).scale
    return Perturbed(totals(parts, cells) + 3 * scale, scale)


def with_noise_by_place(self: Perturbation, parts: Parts, cells: int) -> Perturbed:
    """Each row of a table has its own noise, whoever is in it."""
    scale = apply(self, parts, cells).scale
    random = np.random.default_rng(cells).integers(0, 1 << 63, cells).astype(np.uint64)
    noise = ptable.noise(random << np.uint64(1), np.full(cells, ptable.BOUND))
    return Perturbed(np.maximum(totals(parts, cells) + scale * noise, 0.0), scale)


def caught(scores: Sequence[Score]) -> list[str]:
    return [one.attack for one in scores if one.better]


@pytest.mark.parametrize("mutant", [without_noise, with_one_noise, with_noise_by_place],
                         ids=lambda mutant: mutant.__name__)  # fmt: skip
def test_a_perturbation_that_lacks_a_property_is_caught(
    lake: Both, monkeypatch: pytest.MonkeyPatch, mutant: Callable[..., Perturbed]
) -> None:
    monkeypatch.setattr(Perturbation, "apply", mutant)
    assert caught([attack(lake, False) for attack in CHANGES]) != []


def test_a_gate_without_threshold_is_caught(
    lake: Both, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "FEWEST_ACCOUNTS", 1)
    open_gate = replace(METHOD, rule=Rule(1, 0.8), noise=Perturbation(SECRET, 1))
    scores = against_everything(again(lake, method=open_gate), truth)
    assert "everything: accounts" in caught(scores), scores


def test_what_is_published_again_by_the_same_method_is_the_same(lake: Both) -> None:
    """So the mutants differ from it by their mutation alone."""
    made = again(lake, {"requests", "accounts_by_country"})
    assert made.keys() == {"requests", "accounts_by_country"}
    for name, rows in made.items():  # their order is none of what is published
        cells = sorted((row.day, row.cut, row.key) for row in rows)
        assert cells == sorted((row.day, row.cut, row.key) for row in lake.perturbed[name])
