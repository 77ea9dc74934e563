"""Rows in random order: the order of arrival would link them to any log that has times.

A file of the stream holds the rows of a few seconds, and anyone with the security log knows the
order in which they came. Keys from a cryptographic source are sorted, not drawn from a generator:
anyone who knows part of an order must not be able to compute the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa

_KEY = np.dtype(np.uint64)


def shuffled(rows: pa.RecordBatch, entropy: Callable[[int], bytes]) -> pa.RecordBatch:
    """The same rows in an order that only `entropy` decides: a function of a number of bytes."""
    keys = np.frombuffer(entropy(rows.num_rows * _KEY.itemsize), dtype=_KEY)
    return rows.take(pa.array(np.argsort(keys)))
