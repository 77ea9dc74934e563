"""A token of one key epoch that is stored under another is found, with bounded memory."""

from __future__ import annotations

import hashlib
import threading

import pyarrow as pa

from pipeline.ops.scan.token_epochs import TokenEpochs, heads_of


def tokens(*names: object) -> pa.Array:
    return pa.array([hashlib.sha256(str(name).encode()).hexdigest()[:32] for name in names])


def test_a_head_is_the_first_half_of_its_token() -> None:
    made = pa.array(["00000000000000ff" + "0" * 16, "f" * 32, "0123456789abcdef" * 2])
    assert heads_of(made).tolist() == [255, 2**64 - 1, 0x0123456789ABCDEF]
    assert heads_of(made.slice(1, 1)).tolist() == [2**64 - 1]


def test_tokens_of_one_epoch_are_no_finding_however_often_they_come() -> None:
    held = TokenEpochs()
    for _ in range(3):
        held.add("subject", "week-0001", tokens("a", "b", "a"))
    held.add("subject", "week-0002", tokens("c", "d"))
    assert list(held.shared()) == []


def test_a_token_of_two_epochs_is_named_by_column_and_epochs() -> None:
    held = TokenEpochs()
    held.add("subject", "week-0002", tokens("a", "b", "c"))
    held.add("subject", "week-0001", tokens("b", "c", "x"))
    held.add("session", "week-0001", tokens("a"))
    held.add("subject", "week-0003", pa.array([], pa.string()))
    assert list(held.shared()) == [("subject", "week-0001", "week-0002", 2)]


def test_columns_are_not_compared_with_each_other() -> None:
    held = TokenEpochs()
    held.add("subject", "week-0001", tokens("a"))
    held.add("session", "week-0002", tokens("a"))
    assert list(held.shared()) == []


def test_beyond_the_limit_both_epochs_keep_the_same_sample() -> None:
    held = TokenEpochs(limit=100)
    copied = range(5_000)
    for start in range(0, 5_000, 500):
        held.add("subject", "week-0001", tokens(*copied[start : start + 500]))
    held.add("subject", "week-0002", tokens(*reversed(copied)))
    assert list(held.shared()) == [("subject", "week-0001", "week-0002", 100)]


def test_several_threads_may_add() -> None:
    held = TokenEpochs()
    parts = [
        threading.Thread(target=held.add, args=("s", f"e{n % 2}", tokens(n // 2)))
        for n in range(40)
    ]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    assert list(held.shared()) == [("s", "e0", "e1", 20)]
