"""Numbers reduced to buckets, exactly at every edge.

    log4    four buckets per octave, [2^(k/4), 2^((k+1)/4)); stored: their geometric mean
    powers  [b^k, b^(k+1)); stored: b^k, the power of b at or below; b is 2 or 4
    edges   stored: the largest edge that is not above the value
    upto    stored: the smallest edge that is not below the value, or the last one beyond it

`log4` and `powers` are capped: from the cap on, the cap itself is stored. Zero stays zero. `log4`
begins at 2^-10 (a microsecond, where values are milliseconds); what is smaller counts as zero,
so that a tiny number cannot make a bucket of its own. In `powers` what is below one counts as zero.
Negative, NaN and infinite values, and values below the first of `edges`, are null with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, localcontext
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.privacy.columns import Bools, Numbers

NEGATIVE = "negative"
NOT_FINITE = "not_finite"
BELOW = "below_first_edge"

LOWEST_OCTAVE = -10

Floats = npt.NDArray[np.float64]


class Bucketed(NamedTuple):
    """What became of a column of numbers."""

    values: Numbers
    """Representatives; meaningless where not `usable`."""
    usable: Bools | None
    """False where the value has no bucket; None if all have."""
    nulled: Mapping[str, int]
    """How many values were refused, by reason."""


def log4(values: Numbers, valid: Bools | None, cap: int) -> Bucketed:
    """Quarter-octave buckets up to 2^cap; float64 representatives."""
    usable, nulled = _screen(values, valid)
    numbers = values.astype(np.float64)
    if usable is not None:
        numbers[~usable] = 0.0
    mantissa, exponent = np.frexp(numbers)  # numbers = mantissa * 2^exponent, 1/2 <= mantissa < 1
    table = _representatives(cap)
    index = (exponent.astype(np.int64) - (LOWEST_OCTAVE + 1)) * 4 + 1
    for edge in _quarters():
        index += mantissa >= edge
    index[numbers == 0] = 0
    np.clip(index, 0, len(table) - 1, out=index)
    return Bucketed(table[index], usable, nulled)


def powers(values: Numbers, valid: Bools | None, cap: int, doublings: int) -> Bucketed:
    """Powers of 2^doublings at or below, up to 2^cap; int64.

    `cap` is a multiple of `doublings`.
    """
    usable, nulled = _screen(values, valid)
    if values.dtype == np.int64:
        # Without the bit below its highest one, a number cannot be rounded up to the next power.
        whole = values.astype(np.int64)
        if usable is not None:
            whole[~usable] = 0
        _, exponent = np.frexp((whole & ~(whole >> 1)).astype(np.float64))
    else:
        numbers = values.astype(np.float64)
        if usable is not None:
            numbers[~usable] = 0.0
        _, exponent = np.frexp(numbers)
        exponent[numbers == 0] = 0
    table = np.array(
        [0, *(1 << bit // doublings * doublings for bit in range(cap + 1))], dtype=np.int64
    )
    return Bucketed(table[np.clip(exponent, 0, cap + 1)], usable, nulled)


def edges(values: Numbers, valid: Bools | None, bounds: Sequence[float]) -> Bucketed:
    """Largest bound that is not above the value; float64."""
    usable, nulled = _screen(values, valid)
    table = np.array(bounds, dtype=np.float64)
    index = np.searchsorted(table, values, side="right") - 1
    below = index < 0
    if usable is not None:
        below &= usable
    if below.any():
        nulled[BELOW] = int(np.count_nonzero(below))
        usable = ~below if usable is None else usable & ~below
    return Bucketed(table[np.maximum(index, 0)], usable, nulled)


def upto(values: Numbers, valid: Bools | None, bounds: Sequence[float]) -> Bucketed:
    """Smallest bound that is not below the value, the last one beyond it; float64."""
    usable, nulled = _screen(values, valid)
    table = np.array(bounds, dtype=np.float64)
    index = np.searchsorted(table, values, side="left")
    return Bucketed(table[np.minimum(index, len(table) - 1)], usable, nulled)


def quarter_octaves(cap: int) -> list[float]:
    """Every number that `log4` returns up to 2^cap.

    >>> [round(number, 3) for number in quarter_octaves(1)[-4:]]
    [1.297, 1.542, 1.834, 2.0]
    """
    return [float(mean) for mean in _representatives(cap)]


def _screen(values: Numbers, valid: Bools | None) -> tuple[Bools | None, dict[str, int]]:
    """Which values can have a bucket, and why the others cannot. Null is not a reason."""
    if not len(values) or (values.min() >= 0 and np.isfinite(values.max())):
        return valid, {}
    finite = np.isfinite(values)
    negative = finite & (values < 0)
    refused = {NOT_FINITE: ~finite, NEGATIVE: negative}
    usable = finite & ~negative
    if valid is not None:
        usable &= valid
        refused = {reason: rows & valid for reason, rows in refused.items()}
    counts = {reason: int(np.count_nonzero(rows)) for reason, rows in refused.items()}
    return usable, {reason: count for reason, count in counts.items() if count}


@lru_cache(maxsize=1)
def _quarters() -> tuple[float, float, float]:
    """The smallest float64 that is not below 2^(k/4) / 2, for k = 1, 2, 3."""
    found = []
    with localcontext(Context(prec=60)):
        for k in (1, 2, 3):
            exact = Decimal(2) ** (Decimal(k) / 4) / 2
            nearest = float(exact)
            found.append(nearest if Decimal(nearest) >= exact else float(np.nextafter(nearest, 1)))
    return found[0], found[1], found[2]


@lru_cache(maxsize=8)
def _representatives(cap: int) -> Floats:
    """Zero, the geometric means of all buckets below 2^cap in rising order, the cap."""
    with localcontext(Context(prec=60)):
        means = [
            float(Decimal(2) ** ((Decimal(quarter) + Decimal("0.5")) / 4))
            for quarter in range(LOWEST_OCTAVE * 4, cap * 4)
        ]
    return np.array([0.0, *means, float(1 << cap)])
