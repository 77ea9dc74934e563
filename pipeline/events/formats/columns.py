"""The result of reading a slice in a format: columns, and an account of every record.

Both ways, record by record and by the kernel, give the same result; property tests compare them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from pipeline.events.model import Offsets, Reason, Slice


@dataclass(frozen=True, slots=True, repr=False)
class Made:
    """Decoded records, in their order. Holds identifiers; never shown."""

    arrays: list[pa.Array]
    """One for each field of the newest schema."""
    messages: Offsets
    """The number of the message that each row came from."""
    refused: Offsets
    """Numbers of the messages of records that are not rows, ascending; they may repeat."""
    reasons: list[Reason]
    nulled: Mapping[tuple[str, str], int]
    """How often a value could not be used, by (field, why)."""


class Records(Protocol):
    """Turns the messages of slices into columns. Never raises because of the data."""

    def make(self, source: Slice) -> Made:
        """Read every message of a slice."""


def position_of(source: Slice) -> str:
    """The prefix of identities for messages that have none of their own: where they were read."""
    return f"{source.span.app_id}/"
