"""The perturbation table: by how much a count of accounts is changed, and how often.

Each row is the distribution of maximum entropy on the whole numbers from `-lowest` to 5 with mean
0 and variance 2 (Giessing 2016; R's `ptable` computes it with a general solver). Its solution
has the form `exp(a d + b d^2)`. The rows are stored as whole numbers out of 2^32, corrected so
that the mean is *exactly* 0, and `tests/unit/privacy/figures/test_ptable.py` derives them again.

A count may never become a number from 1 to the threshold less 1, so a count at the threshold
keeps its value, one above it loses 1 at most, and so on; from 5 above it the last row applies. No
bounded, unbiased table can do otherwise. What is published as 20 may be anything from 20 to 25.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

VERSION = 1
"""Version of the table and all else that decides a figure's noise; published figures name it."""

BOUND = 5
VARIANCE = 2.0
WHOLE = 1 << 32

# fmt: off
# ruff: noqa: E501
ROWS: tuple[tuple[int, ...], ...] = (
    (0, 0, 0, 0, 0, 4294967296, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 2235024327, 988931839, 482673772, 259862896, 154325639, 101096269, 73052554),
    (0, 0, 0, 674927858, 1034666150, 1109269881, 831703050, 436107406, 159923661, 41013429, 7355861),
    (0, 0, 147483461, 474374378, 950703895, 1187176985, 923701849, 447810531, 135270451, 25459960, 2985786),
    (0, 22955731, 130108621, 449037639, 943672163, 1207594905, 940985912, 446484826, 129000684, 22695463, 2431352),
    (2356110, 22290805, 127991912, 446031915, 943356794, 1210912224, 943356794, 446031915, 127991912, 22290805, 2356110),
)
# fmt: on
"""Row by row, counts at the threshold, 1 above, ..., 5 or more above: the weights of -5 ... 5."""

_EDGES = np.cumsum(np.array(ROWS, dtype=np.uint64), axis=1, dtype=np.uint64)


def noise(uniform: npt.NDArray[np.uint64], above: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Look up the noise: `uniform` is 64 random bits, `above` the count less the threshold.

    Counts below the threshold are treated as far above it: those parts are never published.

    >>> noise(np.array([0, 1 << 63], np.uint64), np.array([0, 100])).tolist()
    [0, 0]
    """
    row = np.where(above < 0, BOUND, np.minimum(above, BOUND))
    drawn = uniform >> np.uint64(32)
    passed = (drawn[:, None] >= _EDGES[row]).sum(axis=1)
    return np.asarray(passed - BOUND, np.int64)
