"""Attacks on the release gate, and proof that they would notice a gate that does not hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import date
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from pipeline.privacy.figures import gate
from pipeline.privacy.figures.gate import OTHER, Admitted, Rule, admit

DAYS = [date(2026, 11, 2), date(2026, 11, 3)]
Gate = Callable[[pa.Table], Admitted]


def population(seed: int, accounts: int = 60, cells: int = 6) -> pa.Table:
    """Accounts that use few cells, some of them heavily, over two days; some without account."""
    random = np.random.default_rng(seed)
    rows = accounts * 5
    account = random.integers(0, accounts, rows)
    weights = random.dirichlet(np.full(cells, 0.5))
    return pa.table(
        {
            "start": pa.array([DAYS[n] for n in random.integers(0, 2, rows)], pa.date32()),
            "model": pa.array([f"m{n}" for n in random.choice(cells, rows, p=weights)]),
            "subject": pa.array([None if n == 0 else int(n) for n in account], pa.int64()),
            "events": pa.array((random.pareto(1.0, rows) + 1).astype(np.int64)),
        }
    )


def violations(rows: pa.Table, admitted: Admitted, rule: Rule) -> list[str]:
    """Check a publication with code of its own: plain Python over the accounts of each cell."""
    target = {(row["start"], row["model"]): row["to_model"] for row in admitted.labels.to_pylist()}
    held: dict[tuple[date, str], dict[object, int]] = {}
    for row in rows.to_pylist():
        label = target.get((row["start"], row["model"]))
        if label is not None:
            cell = held.setdefault((row["start"], label), {})
            cell[row["subject"]] = cell.get(row["subject"], 0) + row["events"]
    found = []
    for key, accounts in held.items():
        people = len([account for account in accounts if account is not None])
        if people < rule.accounts:
            found.append(f"{key}: {people} accounts")
        if max(accounts.values()) > rule.share * sum(accounts.values()):
            found.append(f"{key}: dominated")
    published = {
        (row["start"], row["model"]): (row["accounts"], row["events"])
        for row in admitted.cells.to_pylist()
    }
    counted = {
        key: (len([a for a in accounts if a is not None]), sum(accounts.values()))
        for key, accounts in held.items()
    }
    return found if published == counted else [*found, "figures differ from the rows"]


@pytest.mark.parametrize("seed", range(40))
def test_no_published_cell_has_fewer_than_twenty_accounts(seed: int) -> None:
    rows = population(seed)
    assert violations(rows, admit(rows, ["model"], Rule()), Rule()) == []


@pytest.mark.parametrize("seed", range(40))
def test_the_cells_of_a_published_window_add_up_to_its_total(seed: int) -> None:
    rows = population(seed)
    cells = admit(rows, ["model"], Rule()).cells.to_pylist()
    for day in {cell["start"] for cell in cells}:
        total = sum(row["events"] for row in rows.to_pylist() if row["start"] == day)
        assert sum(cell["events"] for cell in cells if cell["start"] == day) == total


@pytest.mark.parametrize("seed", range(10))
def test_total_minus_published_cells_shows_no_small_group(seed: int) -> None:
    """What is left after subtracting every named cell is `(other)`, itself twenty accounts."""
    rows = population(seed)
    for cell in admit(rows, ["model"], Rule()).cells.to_pylist():
        if cell["model"] == OTHER:
            assert cell["accounts"] >= 20


def test_leaving_one_account_out_never_shows_a_cell_of_that_account_alone() -> None:
    rows = population(3)
    for account in range(1, 60):
        without = rows.filter(
            pa.compute.invert(pa.compute.equal(rows["subject"], account)).fill_null(True)
        )
        assert violations(without, admit(without, ["model"], Rule()), Rule()) == []


MUTANTS = {
    "counting events instead of accounts": (
        "np.bincount(cell[account > 0], minlength=cells)",
        "np.bincount(cell, weights=events, minlength=cells)",
    ),
    "counting events without account as accounts": (
        "np.bincount(cell[account > 0], minlength=cells)",
        "np.bincount(cell, minlength=cells)",
    ),
    "forgetting dominance": ("return enough & (largest <= rule.share * total)", "return enough"),
    "publishing (other) however small": (
        "return bool(_passes(accounted, happened, most, rule)[0])",
        "return True",
    ),
    "adding up accounts of merged cells": (
        "entries = counted.moved(row[target], table)",
        "at = row[target][counted.cell]; kept = at >= 0; entries = AccountTally(table, at[kept],"
        " counted.account[kept], counted.events[kept])",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_gate_is_noticed(mutant: str) -> None:
    old, new = MUTANTS[mutant]
    source = inspect.getsource(gate)
    assert source.count(old) == 1, "the mutant no longer applies: rewrite it"
    broken = ModuleType("broken_gate")
    broken.__dict__["__name__"] = "pipeline.privacy.figures.gate"
    exec(compile(source.replace(old, new), "broken_gate", "exec"), broken.__dict__)
    rule = Rule()
    caught = [
        seed
        for seed in range(40)
        if violations(rows := population(seed), broken.admit(rows, ["model"], rule), rule)
    ]
    assert caught
