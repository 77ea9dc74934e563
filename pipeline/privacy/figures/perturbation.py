"""Cell-key perturbation: every published number is changed a little, always in the same way.

A threshold hides small cells, but differences between large ones reveal them. So each account has a
record key, derived from its token under the secret of the installation; a cell's key is the sum of
the keys in it (modulo 2^64); and the cell's key decides the noise. The same accounts with the same
amounts get the same noise in every table, so repeating a question does not average it away;
any other set gets unrelated noise, so the difference of two figures carries both noises.
After ABS TableBuilder (Fraser and Wooton 2005; Thompson et al. 2013), Giessing 2016, the EU census
of 2021, and R's `cellKey`.

    counts of accounts     whole numbers from `ptable`: unbiased, at most 5, variance 2
    events and sums        the same noise, times the power of two that is at least half of the
                           largest account's contribution, and spread between the whole numbers

An amount of 1 per account is a count of accounts, with the same noise. Tokens change with the key
epoch, and no cell spans two epochs.

Pure: the secret is an argument, numpy arrays in, numpy arrays out. What this does not do: decide
whether a cell may be shown (`gate`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pipeline.errors import SettingsError
from pipeline.privacy.figures import ptable
from pipeline.privacy.figures.siphash import Words, siphash

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SECRET_BYTES = 32

DIGITS = 6
"""Decimal places to which amounts are compared."""

DEVIATION = float(np.sqrt(ptable.VARIANCE + 1 / 12))
"""Standard deviation of the noise of scale 1, including its spread between whole numbers."""

MOST = ptable.BOUND + 0.5
"""The noise of scale 1 is never larger."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What makes up cells: one entry per account and cell. Entries without account have key 0."""

    cell: Ints
    key: Words
    amount: Floats
    """Not negative; an entry of 0 takes no part."""

    def of_accounts(self) -> Parts:
        """The same accounts, each counting one if it has any amount."""
        counted = ((self.amount > 0) & (self.key != 0)).astype(float)
        return Parts(self.cell, self.key, counted)


@dataclass(frozen=True, slots=True)
class Perturbed:
    """One number per cell."""

    values: Floats
    scale: Floats
    """Multiple of the table's noise: a power of two, 1 for counts of accounts, 0 for nothing."""

    @property
    def error(self) -> Floats:
        """The noise's standard deviation."""
        return self.scale * DEVIATION

    @property
    def most(self) -> Floats:
        """How far a value may be from the truth; half a unit more where it is a whole number."""
        return self.scale * MOST + 0.5


@dataclass(frozen=True, slots=True)
class Perturbation:
    """The method with its secret, for counts that are published from `threshold` accounts on."""

    secret: bytes = field(repr=False)
    threshold: int = 20

    def __post_init__(self) -> None:
        if len(self.secret) < SECRET_BYTES:
            raise SettingsError("The secret of the perturbation is too short", where="keys/figures")

    def record_keys(self, tokens: Iterable[str]) -> Words:
        """Give each token its key, never 0: that stands for events without an account."""
        key = self._key(b"record", 32)
        digests = b"".join(
            hashlib.blake2b(token.encode(), digest_size=8, key=key).digest() for token in tokens
        )
        keys: Words = np.maximum(np.frombuffer(digests, "<u8"), np.uint64(1))
        return keys

    def apply(self, parts: Parts, cells: int) -> Perturbed:
        """Add up the parts of cells 0 ... `cells` - 1 and perturb the sums.

        Zero stays zero, and no result is negative; where the accounts' amounts are whole
        numbers, so is the result.
        """
        some = np.flatnonzero(parts.amount > 0)
        cell, key = parts.cell[some], parts.key[some]
        # A sum of floats depends on the order in its last bits; its noise must not.
        amount = np.round(parts.amount[some], DIGITS)
        total = np.bincount(cell, amount, cells)
        largest = np.zeros(cells)
        np.maximum.at(largest, cell, np.where(key != 0, amount, 0.0))
        broken = np.bincount(cell, amount % 1 > 0, cells) > 0
        others = np.flatnonzero(amount != 1.0)
        mixed = key.copy()
        mixed[others] = siphash(self._key(b"amount"), key[others], amount[others].view(np.uint64))
        keys = np.zeros(cells, np.uint64)
        np.add.at(keys, cell, mixed)
        scale = scale_of(largest, broken)
        drawn = siphash(self._key(b"noise"), keys)
        above = np.where(scale == 1, np.rint(total).astype(np.int64) - self.threshold, ptable.BOUND)
        step = ptable.noise(drawn, above).astype(float)
        spread = (drawn & np.uint64(0xFFFFFFFF)).astype(float) / ptable.WHOLE - 0.5
        counted = (scale == 1) & ~broken
        values = total + scale * np.where(counted, step, step + spread)
        digit = np.where(broken, np.exp2(np.floor(np.log2(np.maximum(scale, 2.0**-40))) - 4), 1.0)
        values = np.maximum(np.rint(values / digit) * digit, 0.0)
        return Perturbed(np.where(total > 0, values, 0.0), np.where(total > 0, scale, 0.0))

    def row_marks(self, cell: Ints, key: Words, rows: Ints, cells: int) -> Words:
        """Give each cell a number that only the same accounts with the same rows reproduce.

        `key` and `rows`: of each account in each cell; key 0 marks the rows without an account.
        """
        marks = np.zeros(cells, np.uint64)
        np.add.at(marks, cell, siphash(self._key(b"rows"), key, rows.view(np.uint64)))
        return marks

    def digest(self, text: str) -> str:
        """Sixteen digits for a text, under the secret."""
        return hashlib.blake2b(text.encode(), digest_size=8, key=self._key(b"made of")).hexdigest()

    def _key(self, use: bytes, size: int = 16) -> bytes:
        return hashlib.blake2b(use, digest_size=size, key=self.secret).digest()


def scale_of(largest: Floats, broken: npt.NDArray[np.bool_]) -> Floats:
    """Return the power of two that is at least half of the largest contribution, at least 1.

    A cell whose amounts are not whole numbers (`broken`) and below 1 has a smaller scale. A
    cell of events without any account has the scale of one event.

    >>> scale_of(np.array([1.0, 2.0, 3.0, 100.0]), np.zeros(4, bool)).tolist()
    [1.0, 1.0, 2.0, 64.0]
    """
    half = np.maximum(largest / 2, 2.0**-40)
    scale = np.exp2(np.ceil(np.log2(half)))
    return np.where(broken & (largest < 1), scale, np.maximum(scale, 1.0))
