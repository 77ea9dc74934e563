"""SipHash-2-4 on columns of 64-bit numbers: a keyed function that nobody can guess without the key.

Written for whole columns because tens of millions of pairs of account and amount are hashed in a
first rollup. Aumasson and Bernstein 2012, https://www.aumasson.jp/siphash/siphash.pdf. A key is
16 bytes; the words of a message are hashed as their little-endian bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_INIT = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash(key: bytes, *words: Words) -> Words:
    """Hash row by row the message of one word from each column.

    >>> message = np.frombuffer(bytes(range(8)), "<u8")
    >>> hex(int(siphash(bytes(range(16)), message)[0]))
    '0x93f5f5799a932462'
    """
    low, high = np.frombuffer(key, "<u8")
    state = [np.full(words[0].shape, first, np.uint64) for first in _INIT]
    for place, half in enumerate((low, high, low, high)):
        state[place] ^= half
    length = np.full(words[0].shape, 8 * len(words) << 56, np.uint64)
    for word in (*words, length):
        state[3] ^= word
        _mix(state, 2)
        state[0] ^= word
    state[2] ^= np.uint64(0xFF)
    _mix(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _mix(state: list[Words], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a += b
        b[:] = _turned(b, 13) ^ a
        a[:] = _turned(a, 32)
        c += d
        d[:] = _turned(d, 16) ^ c
        a += d
        d[:] = _turned(d, 21) ^ a
        c += b
        b[:] = _turned(b, 17) ^ c
        c[:] = _turned(c, 32)


def _turned(word: Words, bits: int) -> Words:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))
