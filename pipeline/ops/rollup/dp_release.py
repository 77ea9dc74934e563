"""Differentially private counts for people outside the company.

What is protected: one account on one day (the unit). An account counts in at most `CELLS` cells
of a day, once in each; every cell of a key space that is fixed in advance gets discrete Gaussian
noise, whether anybody is in it or not; cells below `SMALLEST` are then left out. The budget of a
day, `RHO`, is spent only once (`io.release_ledger`). Needs the extra `dp` (OpenDP).

A threshold on minimum groups, as in the rollups, is a different and weaker promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.errors import EnvironmentProblem

CELLS = 10
RHO = 0.015
SMALLEST = 60
DELTA = 1e-6

Key = tuple[str, str]
"""A dimension and one of its values."""


@dataclass(frozen=True, slots=True)
class Released:
    """One published cell: the noisy count of accounts on a day."""

    day: date
    dimension: str
    key: str
    accounts: int


def scale_of(rho: float = RHO, cells: int = CELLS) -> float:
    """The noise's standard deviation: an account moves the counts by sqrt(cells) at most (L2).

    >>> round(scale_of(), 2)
    18.26
    """
    return math.sqrt(cells / (2 * rho))


def epsilon_of(rho: float = RHO, delta: float = DELTA) -> float:
    """The epsilon that rho-zCDP implies at `delta` (Bun and Steinke 2016, proposition 1.3).

    >>> round(epsilon_of(), 2)
    0.93
    """
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def key_space(lists: Mapping[str, Iterable[str]]) -> list[Key]:
    """Every cell there is, from closed lists alone: it may not depend on the data."""
    return [(name, value) for name in sorted(lists) for value in sorted(set(lists[name]))]


def bounded_counts(
    contributions: Iterable[tuple[object, str, str]], keys: Sequence[Key], cells: int = CELLS
) -> list[int]:
    """Count accounts per key of one day; an account counts in its first `cells` keys at most.

    `contributions`: (account, dimension, value), in any order, repeats allowed; events without
    an account and values outside the key space are left out.
    """
    place = {key: number for number, key in enumerate(keys)}
    held: dict[object, set[int]] = {}
    for account, dimension, value in contributions:
        number = place.get((dimension, value))
        if account is not None and number is not None:
            held.setdefault(account, set()).add(number)
    counts = [0] * len(keys)
    for numbers in held.values():
        for number in sorted(numbers)[:cells]:
            counts[number] += 1
    return counts


def release_day(
    day: date,
    counts: Sequence[int],
    keys: Sequence[Key],
    noise: Callable[[Sequence[int]], list[int]],
) -> list[Released]:
    """Add noise to every cell and keep those of at least `SMALLEST`: that looks at noisy counts
    only, so it costs no privacy."""
    noisy = noise(counts)
    return [
        Released(day, dimension, value, number)
        for (dimension, value), number in zip(keys, noisy, strict=True)
        if number >= SMALLEST
    ]


def gaussian(rho: float = RHO, cells: int = CELLS) -> Callable[[Sequence[int]], list[int]]:
    """OpenDP's discrete Gaussian for counts of that sensitivity; its own calculus checks rho."""
    try:
        import opendp.prelude as dp
    except ImportError:
        raise EnvironmentProblem(
            "differentially private releases need OpenDP",
            remedy="Install the extra: pip install 'telemetry-pipeline[dp]'",
        ) from None
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    mechanism = space >> dp.m.then_gaussian(scale=scale_of(rho, cells))
    if mechanism.map(math.sqrt(cells)) > rho * (1 + 1e-9):
        raise AssertionError("the noise does not keep the budget")
    draw: Callable[[Sequence[int]], list[int]] = mechanism
    return lambda counts: list(draw(list(counts)))


def manifest(
    days: Sequence[date], refused: Sequence[date], keys: Sequence[Key]
) -> dict[str, object]:
    """The parameters of a release, in numbers and in words."""
    return {
        "unit": "one account on one day",
        "mechanism": "discrete Gaussian on counts of accounts (OpenDP)",
        "rho_per_day": RHO,
        "epsilon_per_day": round(epsilon_of(), 3),
        "delta": DELTA,
        "cells_per_account_and_day": CELLS,
        "standard_deviation": round(scale_of(), 2),
        "smallest_count": SMALLEST,
        "dimensions": sorted({dimension for dimension, _ in keys}),
        "cells_in_key_space": len(keys),
        "days": [str(day) for day in days],
        "days_already_spent": [str(day) for day in refused],
        "in_words": (
            "Each figure is the number of accounts on a day, with random noise of about "
            f"±{round(2 * scale_of())} (95 % of the time). Whether or not one account was active "
            "on a day changes the probability of any release of that day by a factor of at most "
            f"{math.exp(epsilon_of()):.1f}, but for a chance of one in a million. Figures below "
            f"{SMALLEST} are left out. An account active on n days is protected n times less."
        ),
    }
