"""A bounded cache of a treatment's answers, for values that recur."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Memo(Generic[Key, Value]):
    """Answers by value, evicted by generation: an entry that is not used for long goes.

    Holds at most twice `capacity` entries. A full generation becomes the old one, whose entries
    come back when they are asked for and otherwise go with it. Answers are never None.
    Never shows its content; cannot be pickled, because keys are raw values.
    """

    __slots__ = ("_answer", "_capacity", "_old", "_young")

    def __init__(
        self, answer: Callable[[Sequence[Key]], Sequence[Value]], capacity: int = 65_536
    ) -> None:
        self._answer = answer
        self._capacity = capacity
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, keys: Sequence[Key]) -> list[Value]:
        """The answer for each of the distinct keys, in order; new ones are asked for together."""
        known = self._young.get
        found = [known(key) for key in keys]
        missing = [index for index, value in enumerate(found) if value is None]
        if missing:
            self._find(keys, found, missing)
        return cast("list[Value]", found)

    def peek(self, keys: Sequence[Key]) -> list[Value | None]:
        """The answer for each key that is remembered, None for the others; asks for nothing."""
        young, old = self._young.get, self._old.get
        return [old(key) if (value := young(key)) is None else value for key in keys]

    def _find(self, keys: Sequence[Key], found: list[Value | None], missing: Sequence[int]) -> None:
        unknown = []
        for index in missing:
            value = found[index] = self._old.get(keys[index])
            if value is None:
                unknown.append(index)
        answers = self._answer([keys[index] for index in unknown]) if unknown else ()
        for index, value in zip(unknown, answers, strict=True):
            found[index] = value
        fresh = {keys[index]: cast("Value", found[index]) for index in missing[-self._capacity :]}
        if len(self._young) + len(fresh) > self._capacity:
            self._old, self._young = self._young, {}
        self._young.update(fresh)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Memo is not pickled: it holds raw values")
