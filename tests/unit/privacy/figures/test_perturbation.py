"""Laws of the cell-key perturbation, over arbitrary cells and many secrets."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingsError
from pipeline.privacy.figures.perturbation import MOST, Parts, Perturbation, Perturbed, scale_of

NOISE = Perturbation(b"s" * 32)
TOKENS = [hashlib.sha256(str(n).encode()).hexdigest()[:32] for n in range(400)]
KEYS = NOISE.record_keys(TOKENS)


def perturbed(accounts: list[int], amounts: list[float], noise: Perturbation = NOISE) -> Perturbed:
    """One cell with those accounts and amounts."""
    keys = KEYS if noise is NOISE else noise.record_keys(TOKENS)
    picked = keys[np.array(accounts, np.int64)]
    return noise.apply(
        Parts(np.zeros(len(accounts), np.int64), picked, np.array(amounts, float)), 1
    )


def count(accounts: list[int], noise: Perturbation = NOISE) -> float:
    return float(perturbed(accounts, [1.0] * len(accounts), noise).values[0])


SOME = st.lists(st.integers(0, 399), min_size=20, max_size=80, unique=True)
AMOUNTS = st.lists(st.integers(1, 5000), min_size=80, max_size=80)


@given(SOME)
def test_a_count_is_at_most_five_off_and_never_below_the_threshold(accounts: list[int]) -> None:
    assert abs(count(accounts) - len(accounts)) <= 5
    assert count(accounts) >= 20


@given(SOME, st.randoms(use_true_random=False), AMOUNTS)
def test_the_same_accounts_have_the_same_noise_in_any_order_and_table(
    accounts: list[int], random: object, amounts: list[int]
) -> None:
    pairs = list(zip(accounts, amounts, strict=False))
    once = perturbed([a for a, _ in pairs], [float(n) for _, n in pairs]).values[0]
    random.shuffle(pairs)  # type: ignore[attr-defined]
    cell = np.array([0] * 3 + [1] * len(pairs))
    keys = np.concatenate([KEYS[:3], KEYS[[a for a, _ in pairs]]])
    amount = np.array([7.0] * 3 + [float(n) for _, n in pairs])
    assert NOISE.apply(Parts(cell, keys, amount), 2).values[1] == once


@given(SOME, AMOUNTS)
def test_an_amount_is_perturbed_within_its_scale_and_covers_the_largest_account(
    accounts: list[int], amounts: list[int]
) -> None:
    mine = [float(n) for n in amounts[: len(accounts)]]
    found = perturbed(accounts, mine)
    assert abs(found.values[0] - sum(mine)) <= found.most[0]
    assert found.scale[0] * MOST >= max(mine)
    assert found.error[0] >= 0.7 * max(mine)
    assert found.values[0] == int(found.values[0])


def test_nothing_stays_nothing() -> None:
    assert perturbed([], []).values.tolist() == [0.0]
    assert perturbed([1, 2, 3], [0.0, 0.0, 0.0]).values.tolist() == [0.0]
    assert perturbed([1, 2, 3], [0.0, 0.0, 0.0]).error.tolist() == [0.0]


def test_another_set_has_unrelated_noise() -> None:
    """One account less, many times: the two noises are as independent as they should be."""
    random = np.random.default_rng(1)
    noises = []
    for _ in range(1500):
        accounts = random.choice(400, 60, replace=False).tolist()
        noises.append((count(accounts) - 60, count(accounts[:-1]) - 59))
    first, second = np.array(noises).T
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert np.mean(first == second) < 0.3


def test_another_amount_of_one_account_is_another_set() -> None:
    random = np.random.default_rng(2)
    noises = []
    for _ in range(1500):
        accounts = random.choice(400, 40, replace=False).tolist()
        amounts = random.integers(1, 9, 40).astype(float)
        changed = amounts.copy()
        changed[0] += 1
        noises.append(
            (
                perturbed(accounts, amounts.tolist()).values[0] - amounts.sum(),
                perturbed(accounts, changed.tolist()).values[0] - changed.sum(),
            )
        )
    assert abs(np.corrcoef(np.array(noises).T)[0, 1]) < 0.1


@pytest.mark.parametrize("size", [20, 21, 23, 40])
def test_over_secrets_counts_are_unbiased(size: int) -> None:
    found = [
        count(list(range(size)), Perturbation(hashlib.sha256(bytes([a, b])).digest())) - size
        for a in range(40)
        for b in range(40)
    ]
    assert abs(np.mean(found)) < 4 * np.sqrt(2 / 1600)
    if size > 20:
        assert np.var(found) == pytest.approx(2, abs=0.4)


def test_over_secrets_sums_are_unbiased() -> None:
    amounts = [float(n % 17 + 1) for n in range(40)]
    found = [
        perturbed(list(range(40)), amounts, Perturbation(hashlib.sha256(bytes([a, b])).digest()))
        for a in range(40)
        for b in range(40)
    ]
    off = [one.values[0] - sum(amounts) for one in found]
    assert abs(np.mean(off)) < 4 * found[0].error[0] / 40
    assert np.std(off) == pytest.approx(found[0].error[0], rel=0.1)


def test_events_without_an_account_are_added_but_are_no_account() -> None:
    parts = Parts(np.zeros(21, np.int64), np.append(KEYS[:20], np.uint64(0)), np.full(21, 1.0))
    assert parts.of_accounts().amount.sum() == 20
    assert abs(NOISE.apply(parts, 1).values[0] - 21) <= 5


def test_the_threshold_decides_which_row_applies() -> None:
    noise = Perturbation(b"s" * 32, threshold=50)
    for start in range(300):
        accounts = list(range(start, start + 50))
        assert count(accounts, noise) == 50
        assert count([*accounts, start + 60], noise) >= 50


def test_a_small_scale_belongs_to_broken_amounts_only() -> None:
    largest, broken = np.array([0.3, 0.3, 1.0]), np.array([True, False, False])
    assert scale_of(largest, broken).tolist() == [0.25, 1.0, 1.0]


def test_the_secret_does_not_show_and_must_be_long() -> None:
    assert "ssss" not in repr(NOISE)
    with pytest.raises(SettingsError):
        Perturbation(b"short")
