"""Columns of identifiers to columns of tokens, under the key of each row's epoch.

Keys are requested per batch and never derived: a key that is gone from the keystore is gone here
with the next batch, and so are the tokens cached under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import native
from pipeline.privacy.columns import (
    Bools,
    Ints,
    distinct,
    fixed_width_column,
    hex_strings,
    lengths,
    text_buffers,
)
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_indices
from pipeline.privacy.identity.fingerprints import FINGERPRINT_BYTES, skeleton
from pipeline.privacy.identity.tokens import TOKEN_BYTES, Domain, TokenKey, prefix_of
from pipeline.privacy.memo import Memo

if TYPE_CHECKING:
    from pipeline.kernel import TokenKey as NativeKey

REMEMBERED_EPOCHS = 2
"""Epochs whose tokens are cached from batch to batch."""

Hex = npt.NDArray[np.bytes_]


class Keys(Protocol):
    """Where epoch keys come from."""

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """The epoch's key, created at first use; None if it was destroyed.

        Raises `KeyUnavailable` if it is listed but missing, malformed or not protected.
        """


class EpochTokens:
    """Tokens of one epoch. Subjects and sessions recur, so their tokens are cached."""

    __slots__ = ("_key", "_memos", "key")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._key = TokenKey(key)
        self._memos = {
            domain: Memo(_Answers(self._key, domain)) for domain in (Domain.SUBJECT, Domain.SESSION)
        }

    @property
    def native(self) -> NativeKey | None:
        """The key in the kernel, where there is one."""
        return self._key.native

    def hex(self, domain: Domain, values: pa.StringArray) -> Hex:
        """The token of each value as 32 hex digits; meaningless for null."""
        memo = self._memos.get(domain)
        if memo is None:  # each value stands alone: event ids
            raw = values.fill_null("") if values.null_count else values
            return hex_strings(
                self._key.digests(domain, raw.cast(pa.binary()).to_pylist()), TOKEN_BYTES
            )
        found = distinct(values)
        digests = memo.get(found.values.cast(pa.binary()).to_pylist())
        return _spread(hex_strings(digests, TOKEN_BYTES), found.codes)

    def fingerprints(self, messages: pa.StringArray) -> Hex:
        """The fingerprint of each message as 16 hex digits; meaningless for null."""
        found = distinct(messages)
        bones = [skeleton(message).encode() for message in found.values.to_pylist()]
        return _spread(
            hex_strings(self._key.digests(Domain.FINGERPRINT, bones), FINGERPRINT_BYTES),
            found.codes,
        )

    def __repr__(self) -> str:
        return "EpochTokens(...)"


class _Answers:
    """What a memo of tokens asks for values that it does not hold."""

    def __init__(self, key: TokenKey, domain: Domain) -> None:
        self._key = key
        self._domain = domain

    def __call__(self, values: Sequence[bytes]) -> list[bytes]:
        return [digest[:TOKEN_BYTES] for digest in self._key.digests(self._domain, values)]


class Group(NamedTuple):
    """The rows of a batch that belong to one epoch."""

    rows: Ints | None
    """Row numbers; None for all rows of the batch."""
    tokens: EpochTokens


class Pseudonymizer:
    """Opens the epochs that a batch needs."""

    __slots__ = ("_keys", "_kind", "_known")

    def __init__(self, keys: Keys, kind: EpochKind) -> None:
        self._keys = keys
        self._kind = kind
        self._known: dict[int, EpochTokens] = {}

    def open(self, days: Ints) -> tuple[list[tuple[int, EpochTokens]], Ints, Bools]:
        """Return the opened epochs of these days (since 1970), each row's index, rows without key.

        Raises `KeyUnavailable`. Ask only for days within the retention: the first use of an
        epoch creates its key.
        """
        indices = epoch_indices(days, self._kind)
        dead = np.zeros(len(days), dtype=np.bool_)
        opened: list[tuple[int, EpochTokens]] = []
        for index in _unique(indices):
            tokens = self._tokens(index)
            if tokens is None:
                dead |= indices == index
            else:
                opened.append((index, tokens))
        return opened, indices, dead

    def _tokens(self, index: int) -> EpochTokens | None:
        key = self._keys.epoch_key(Epoch(self._kind, index))
        known = self._known.pop(index, None)
        if key is None:
            return None
        tokens = known if known is not None and known.key == key else EpochTokens(key)
        self._known[index] = tokens
        if len(self._known) > REMEMBERED_EPOCHS:
            del self._known[next(iter(self._known))]
        return tokens


def groups_of(opened: Sequence[tuple[int, EpochTokens]], indices: Ints) -> list[Group]:
    """The rows of each opened epoch."""
    if len(opened) == 1:
        return [Group(None, opened[0][1])]
    return [Group(np.flatnonzero(indices == index), tokens) for index, tokens in opened]


def token_column(column: pa.StringArray, groups: Sequence[Group], domain: Domain) -> pa.StringArray:
    """A new column of tokens (of fingerprints for domain `fp`); missing and empty are null."""
    valid = lengths(column) > 0
    kernel = native.kernel()
    keys = [tokens.native for _, tokens in groups if tokens.native is not None]
    if kernel is not None and domain is not Domain.FINGERPRINT and keys:
        texts = _native_tokens(kernel, column, groups, keys, domain)
        return fixed_width_column(texts, None if valid.all() else valid)
    size = 2 * (FINGERPRINT_BYTES if domain is Domain.FINGERPRINT else TOKEN_BYTES)
    texts = np.zeros(len(column), dtype=f"S{size}")
    if valid.any():
        for rows, tokens in groups:
            part = column if rows is None else column.take(pa.array(rows))
            made = (
                tokens.fingerprints(part)
                if domain is Domain.FINGERPRINT
                else tokens.hex(domain, part)
            )
            if rows is None:
                texts = made
            else:
                texts[rows] = made
    return fixed_width_column(texts, None if valid.all() else valid)


def _native_tokens(
    kernel: ModuleType,
    column: pa.StringArray,
    groups: Sequence[Group],
    keys: Sequence[NativeKey],
    domain: Domain,
) -> Hex:
    """Return the token of each row from the kernel, all epochs in one call."""
    epochs = None
    if groups[0].rows is not None:
        epochs = np.full(len(column), -1)
        for at, (rows, _) in enumerate(groups):
            epochs[rows] = at
    bounds, text = text_buffers(column)
    digits = kernel.tokens(bounds, text, keys, epochs, prefix_of(domain), TOKEN_BYTES)
    return np.frombuffer(digits, f"S{2 * TOKEN_BYTES}")


def _spread(texts: Hex, codes: npt.NDArray[np.int32]) -> Hex:
    """One entry per row; rows without a value (the code after the last) get an empty one."""
    spread: Hex = np.append(texts, np.zeros(1, dtype=texts.dtype))[codes]
    return spread


def _unique(indices: Ints) -> list[int]:
    if not len(indices):
        return []
    lowest, highest = int(indices.min()), int(indices.max())
    return [lowest] if lowest == highest else [int(index) for index in np.unique(indices)]
