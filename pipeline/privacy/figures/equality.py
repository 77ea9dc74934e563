"""When two figures are the same number: one rule for republication and for the audit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def numbers(column: pa.ChunkedArray | pa.Array) -> Floats:
    """A column as floats, NaN where there is none."""
    plain = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(plain, np.float64)


def same(one: pa.ChunkedArray | pa.Array, other: pa.ChunkedArray | pa.Array) -> Bools:
    """Which rows of two columns hold the same number, or both hold none.

    Sums of floats differ in their last digits with the order of the rows.
    """
    equal: Bools = np.isclose(numbers(one), numbers(other), rtol=1e-9, atol=1e-12, equal_nan=True)
    return equal
