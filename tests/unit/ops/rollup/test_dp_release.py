"""Differentially private releases: the noise is enough, and nothing is spent twice."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.rights.privacy_budget import ReleaseLedger
from pipeline.ops.rollup.dp_release import (
    CELLS,
    DELTA,
    RHO,
    SMALLEST,
    bounded_counts,
    epsilon_of,
    gaussian,
    key_space,
    manifest,
    release_day,
    scale_of,
)

DAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
KEYS = key_space({"model": [f"m{n}" for n in range(20)], "plan": ["free", "pro"]})


def test_the_key_space_does_not_depend_on_the_data() -> None:
    assert key_space({"b": ["y", "x", "x"], "a": ["z"]}) == [("a", "z"), ("b", "x"), ("b", "y")]


def test_an_account_counts_once_in_a_cell_and_in_ten_cells_at_most() -> None:
    one = [("account", "model", f"m{n}") for n in range(20)] * 3
    counts = bounded_counts(one, KEYS)
    assert sum(counts) == CELLS
    assert max(counts) == 1


def test_neighbours_differ_by_ten_cells_of_one() -> None:
    others = [(n, "model", f"m{n % 20}") for n in range(300)]
    mine = [("x", "model", f"m{n}") for n in range(20)] + [("x", "plan", "pro")]
    difference = np.array(bounded_counts([*others, *mine], KEYS)) - bounded_counts(others, KEYS)
    assert np.linalg.norm(difference) <= math.sqrt(CELLS)
    assert set(difference.tolist()) <= {0, 1}


def test_no_account_and_unknown_values_are_left_out() -> None:
    assert sum(bounded_counts([(None, "model", "m1"), ("a", "model", "x")], KEYS)) == 0


def leak(mechanism_scale: float, samples: int = 60_000, seed: int = 1) -> float:
    """A lower bound of epsilon, from the best threshold test between two neighbours.

    The attacker looks at the sum of the ten cells in which the account is or is not.
    """
    random = np.random.default_rng(seed)
    shift, spread = CELLS, mechanism_scale * math.sqrt(CELLS)
    without = random.normal(0, spread, samples)
    best = 0.0
    for threshold in np.linspace(0, 4 * spread, 60):
        p = (without + shift > threshold).mean() - 3 * math.sqrt(0.25 / samples)
        q = (without > threshold).mean() + 3 * math.sqrt(0.25 / samples)
        if p > DELTA and q > 0:
            best = max(best, math.log(max(p - DELTA, 1e-12) / q))
    return best


def test_the_noise_that_opendp_draws_hides_an_account() -> None:
    """Draws of the real mechanism: their spread is what the proof needs, and an attack on it
    stays below the promised epsilon."""
    draws = np.array(gaussian()([0] * 40_000))
    assert draws.mean() == pytest.approx(0, abs=0.5)
    assert draws.std() == pytest.approx(scale_of(), rel=0.02)
    sums = draws.reshape(-1, CELLS).sum(axis=1)
    shifted = sums + CELLS
    for threshold in range(-100, 160, 10):
        p, q = (shifted > threshold).mean(), (sums > threshold).mean()
        slack = 4 * math.sqrt(0.25 / len(sums))
        assert p <= math.exp(epsilon_of()) * q + DELTA + slack * (1 + math.exp(epsilon_of()))


def test_too_little_noise_would_be_noticed() -> None:
    assert leak(scale_of()) < epsilon_of()
    assert leak(scale_of() / 10) > epsilon_of()


def test_opendp_agrees_on_the_budget() -> None:
    assert scale_of() == pytest.approx(math.sqrt(CELLS / (2 * RHO)))
    gaussian(rho=0.5)  # checks itself against OpenDP's own calculus


def test_small_noisy_cells_are_left_out_whatever_was_in_them() -> None:
    counts = [SMALLEST + 40] * len(KEYS)
    kept = release_day(DAY, counts, KEYS, lambda values: [SMALLEST - 1, *values[1:]])
    assert len(kept) == len(KEYS) - 1
    assert {cell.accounts for cell in kept} == {SMALLEST + 40}


def test_noise_is_drawn_for_empty_cells_too() -> None:
    seen: list[int] = []

    def noise(counts: object) -> list[int]:
        seen.extend(counts)  # type: ignore[arg-type]
        return list(counts)  # type: ignore[call-overload]

    release_day(DAY, bounded_counts([], KEYS), KEYS, noise)
    assert seen == [0] * len(KEYS)


def test_a_day_is_spent_once(tmp_path: Path) -> None:
    ledger = ReleaseLedger(tmp_path / "releases.ndjson")
    assert ledger.spend([DAY], RHO, RHO, NOW) == [DAY]
    assert ledger.spend([DAY, date(2026, 11, 3)], RHO, RHO, NOW) == [date(2026, 11, 3)]


def test_a_restart_refunds_nothing(tmp_path: Path) -> None:
    """The process may stop anywhere after spending: the next one finds the day spent."""
    ReleaseLedger(tmp_path / "releases.ndjson").spend([DAY], RHO, RHO, NOW)
    again = ReleaseLedger(tmp_path / "releases.ndjson")
    assert again.spent() == {DAY: RHO}
    assert again.spend([DAY], RHO, RHO, NOW) == []


def test_a_damaged_ledger_stops_every_release(tmp_path: Path) -> None:
    file = tmp_path / "releases.ndjson"
    file.write_text("not json\n")
    with pytest.raises(EnvironmentProblem, match="ledger of releases"):
        ReleaseLedger(file).spend([DAY], RHO, RHO, NOW)


def test_the_manifest_says_what_was_promised() -> None:
    words = manifest([DAY], [], KEYS)
    assert words["rho_per_day"] == RHO
    assert words["cells_in_key_space"] == 22
    assert "factor of at most 2.5" in str(words["in_words"])
