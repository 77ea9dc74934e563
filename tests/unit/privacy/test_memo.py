"""The bounded memory of answers."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest

from pipeline.privacy.memo import Memo


class Squares:
    """Answers with squares and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, keys: Sequence[int]) -> list[int]:
        self.asked += keys
        return [key * key for key in keys]


def test_answers_come_in_the_order_of_the_keys_and_are_asked_for_once() -> None:
    squares = Squares()
    memo = Memo(squares, capacity=10)
    assert memo.get([3, 1, 2]) == [9, 1, 4]
    assert memo.get([2, 4, 3]) == [4, 16, 9]
    assert squares.asked == [3, 1, 2, 4]
    assert memo.get([]) == []


def test_what_is_used_survives_and_the_rest_is_forgotten() -> None:
    squares = Squares()
    memo = Memo(squares, capacity=4)
    for number in range(100):
        assert memo.get([-1, number]) == [1, number * number]
    assert squares.asked.count(-1) == 1
    assert len(memo) <= 8
    memo.get([0])
    assert squares.asked.count(0) == 2


@pytest.mark.parametrize("size", [4, 5, 9, 1000])
def test_more_keys_than_fit_are_answered_and_not_kept(size: int) -> None:
    memo = Memo(Squares(), capacity=4)
    assert memo.get(range(size)) == [number * number for number in range(size)]
    assert len(memo) <= 8


def test_it_does_not_travel() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Memo(Squares()))
