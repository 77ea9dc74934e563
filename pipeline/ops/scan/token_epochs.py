"""Is a token of one key epoch stored under another? Found with bounded memory, at any size.

Tokens of different epochs are made with different keys, so not one of them can be equal by chance.
An equal one means that a day's rows were copied to another epoch, or that two epochs share a key;
either would let one person be followed. For each column and epoch, the tokens with the smallest
first 64 bits are kept, up to a limit: tokens are uniform, so this is a fair sample, and the same
one in both epochs. Below the limit it is all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LIMIT = 1 << 20
DIGITS = 32
_VALUES = np.zeros(256, np.uint8)
_VALUES[[*b"0123456789abcdef"]] = np.arange(16)

Heads = npt.NDArray[np.uint64]


@dataclass(slots=True)
class TokenEpochs:
    """The sample; several threads may fill it."""

    limit: int = LIMIT
    _held: dict[tuple[str, str], Heads] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, column: str, epoch: str, tokens: pa.Array) -> None:
        """Add the tokens of some rows of an epoch; each is 32 hexadecimal digits."""
        if not len(tokens):
            return
        heads = np.unique(heads_of(tokens))[: self.limit]
        with self._lock:
            held = self._held.get((column, epoch))
            if held is not None:
                heads = np.union1d(held, heads)[: self.limit]
            self._held[column, epoch] = heads

    def shared(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield (column, epoch, other epoch, how many tokens of the sample both have)."""
        for column in sorted({name for name, _ in self._held}):
            epochs = sorted(epoch for name, epoch in self._held if name == column)
            for one, other in combinations(epochs, 2):
                pair = self._held[column, one], self._held[column, other]
                both = np.intersect1d(*pair, assume_unique=True)
                if len(both):
                    yield column, one, other, len(both)


def heads_of(tokens: pa.Array) -> Heads:
    """The first 64 bits of each token."""
    first = tokens.offset
    ends = np.frombuffer(tokens.buffers()[1], np.int32)[first : first + len(tokens) + 1]
    data = np.frombuffer(tokens.buffers()[2], np.uint8)[ends[0] : ends[-1]]
    digits = _VALUES[data.reshape(-1, DIGITS)[:, :16]]
    return (digits[:, 0::2] << 4 | digits[:, 1::2]).copy().view(">u8").ravel().astype(np.uint64)
