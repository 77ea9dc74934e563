"""SipHash on columns, against the vectors of its authors."""

from __future__ import annotations

import numpy as np

from pipeline.privacy.figures.siphash import siphash

KEY = bytes(range(16))


def test_one_word_gives_the_reference_implementations_vector() -> None:
    """Vector 8: the message of the bytes 0 ... 7."""
    message = np.frombuffer(bytes(range(8)), "<u8").astype(np.uint64)
    assert int(siphash(KEY, message)[0]) == 0x93F5F5799A932462


def test_two_words_give_the_reference_implementations_vector() -> None:
    """Vector 16: the message of the bytes 0 ... 15."""
    first, second = np.frombuffer(bytes(range(16)), "<u8").astype(np.uint64)
    found = siphash(KEY, np.array([first]), np.array([second]))
    assert int(found[0]) == 0x3F2ACC7F57C29BDB


def test_rows_are_hashed_one_by_one_and_their_columns_stay() -> None:
    words = np.arange(50, dtype=np.uint64)
    before = words.copy()
    whole = siphash(KEY, words)
    assert (words == before).all()
    assert whole.tolist() == [int(siphash(KEY, words[n : n + 1])[0]) for n in range(50)]
    assert len(set(whole.tolist())) == 50


def test_another_key_gives_another_hash() -> None:
    words = np.arange(50, dtype=np.uint64)
    assert not (siphash(KEY, words) == siphash(bytes(16), words)).any()
