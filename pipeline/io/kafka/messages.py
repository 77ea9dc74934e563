"""Messages of one partition as positions in bytes, so that no message is an object of its own.

A batch is kept as it was unpacked; keys and headers lie between the values and are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.events.model import Offsets, Slice, Span


@dataclass(frozen=True, slots=True, repr=False)
class PartitionMessages:
    """Message i is `data[starts[i]:ends[i]]` and has the offset `offsets[i]`; never shown."""

    data: bytes
    starts: Offsets
    ends: Offsets
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        places = zip(self.offsets, self.starts, self.ends, strict=True)
        return ((int(offset), self.data[start:end]) for offset, start, end in places)

    def since(self, floor: int) -> PartitionMessages:
        """Leave out the first messages, those with offsets below `floor`."""
        skipped = (
            int(np.argmax(self.offsets >= floor)) if (self.offsets >= floor).any() else len(self)
        )
        if not skipped:
            return self
        return PartitionMessages(
            self.data, self.starts[skipped:], self.ends[skipped:], self.offsets[skipped:]
        )

    def slice(self, span: Span, event: str) -> Slice:
        """The messages as a slice of their partition."""
        return Slice(span, event, self.data, self.starts, self.ends, self.offsets)


def of_values(values: Sequence[bytes], offsets: Sequence[int]) -> PartitionMessages:
    """Lay values out one after another."""
    sizes = np.fromiter(map(len, values), np.int64, len(values))
    ends = np.cumsum(sizes)
    return PartitionMessages(b"".join(values), ends - sizes, ends, np.array(offsets, np.int64))


def join(parts: Sequence[PartitionMessages]) -> PartitionMessages:
    """Put runs of messages one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return of_values((), ())
    sizes = np.array([len(part.data) for part in parts], np.int64)
    shifts = (np.cumsum(sizes) - sizes).tolist()
    moved = list(zip(parts, shifts, strict=True))
    return PartitionMessages(
        b"".join(part.data for part in parts),
        np.concatenate([part.starts + shift for part, shift in moved]),
        np.concatenate([part.ends + shift for part, shift in moved]),
        np.concatenate([part.offsets for part in parts]),
    )
