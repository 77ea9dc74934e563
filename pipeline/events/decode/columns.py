"""What both decoders return for a slice: columns, and an account of every message.

The kernel (`table`) and the specification (`strict`, `record_by_record`) give the same `Columns`
for the same bytes; property tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.events.model import Offsets, Reason


@dataclass(frozen=True, slots=True, repr=False)
class Columns:
    """Decoded messages, in their order. Holds identifiers; never shown."""

    rows: int
    arrays: list[pa.Array]
    """One for each column of the table, `rows` long."""
    refused: Offsets
    """Numbers of the messages that are not rows, ascending."""
    reasons: list[Reason]
    """Why, for each of them."""
    nulled: Mapping[tuple[int, Reason], int]
    """How often a value could not be read, by (number of the column, why)."""


class Messages(Protocol):
    """Turns messages into columns. Never raises because of the data."""

    def decode(self, data: bytes, starts: Offsets, ends: Offsets) -> Columns:
        """Decode message i, which is `data[starts[i]:ends[i]]`, for every i."""


def without(values: npt.NDArray[np.int64], refused: Offsets) -> npt.NDArray[np.int64]:
    """Keep the entries of the messages that became rows."""
    return np.delete(values, refused) if len(refused) else values
