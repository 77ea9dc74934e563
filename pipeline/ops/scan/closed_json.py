"""Grammars of JSON: which keys may occur, and what each value may be; all else is reported.

A rule is called with a value and yields where and why it does not fit: the path of keys that the
grammar itself declares, and a reason. It repeats neither keys nor values of the document.

    >>> entry = record({"rows": whole(), "job": one_of(["seal"])}, {"note": text(r"[a-z]+")})
    >>> [str(one) for one in entry({"rows": 3, "job": "seal", "alice": 1})]
    [': a key that is not declared']
    >>> [str(one) for one in entry({"rows": -1, "job": "sale"})]
    ['rows: a number out of range', 'job: not one of the words that may stand here']
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from pipeline.parsing import parse_json

MOST = 2**62


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place of a document that does not fit its grammar."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


Rule = Callable[[object], Iterator[Misfit]]


def record(required: Mapping[str, Rule], optional: Mapping[str, Rule] | None = None) -> Rule:
    """An object with all `required` keys, and otherwise only `optional` ones."""
    more = optional or {}
    known = {**required, **more}

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, dict):
            yield Misfit("", "not an object")
            return
        for name in required:
            if name not in value:
                yield Misfit(name, "a key that is missing")
        if set(value) - set(known):
            yield Misfit("", "a key that is not declared")
        for name, inner in known.items():
            if name in value:
                yield from below(name, inner(value[name]))

    return rule


def keyed(keys: Rule, values: Rule) -> Rule:
    """An object whose keys are all of one kind, and its values too."""

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, dict):
            yield Misfit("", "not an object")
            return
        for name, inner in value.items():
            yield from below("*", keys(name))
            yield from below("*", values(inner))

    return rule


def sequence(item: Rule) -> Rule:
    """A list of items of one kind."""

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, list):
            yield Misfit("", "not a list")
            return
        for inner in value:
            yield from below("*", item(inner))

    return rule


def pair(first: Rule, second: Rule) -> Rule:
    """A list of exactly two."""

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, list) or len(value) != 2:
            yield Misfit("", "not a pair")
            return
        yield from first(value[0])
        yield from second(value[1])

    return rule


def text(pattern: str) -> Rule:
    """A text that matches as a whole."""
    shape = re.compile(pattern)

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, str) or not shape.fullmatch(value):
            yield Misfit("", "a text that does not have the form of this place")

    return rule


def one_of(words: Collection[str]) -> Rule:
    """One of some words."""
    allowed = frozenset(words)

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, str) or value not in allowed:
            yield Misfit("", "not one of the words that may stand here")

    return rule


def exactly(expected: object) -> Rule:
    """This value and no other."""

    def rule(value: object) -> Iterator[Misfit]:
        if value != expected or type(value) is not type(expected):
            yield Misfit("", "not what is declared for this place")

    return rule


def whole(lowest: int = 0, highest: int = MOST) -> Rule:
    """A whole number within a range."""

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Misfit("", "not a whole number")
        elif not lowest <= value <= highest:
            yield Misfit("", "a number out of range")

    return rule


def number() -> Rule:
    """A finite number."""

    def rule(value: object) -> Iterator[Misfit]:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            yield Misfit("", "not a number")

    return rule


def flag() -> Rule:
    """True or false."""

    def rule(value: object) -> Iterator[Misfit]:
        if not isinstance(value, bool):
            yield Misfit("", "neither true nor false")

    return rule


def moment() -> Rule:
    """A time, RFC 3339."""

    def rule(value: object) -> Iterator[Misfit]:
        try:
            fits = isinstance(value, str) and bool(datetime.fromisoformat(value))
        except ValueError:
            fits = False
        if not fits:
            yield Misfit("", "not a time")

    return rule


def day() -> Rule:
    """A day, YYYY-MM-DD."""

    def rule(value: object) -> Iterator[Misfit]:
        try:
            fits = isinstance(value, str) and str(date.fromisoformat(value)) == value
        except ValueError:
            fits = False
        if not fits:
            yield Misfit("", "not a day")

    return rule


def anything(value: object) -> Iterator[Misfit]:  # noqa: ARG001 - one shape of rule
    """Any value: a later step compares it."""
    return iter(())


def optional(inner: Rule) -> Rule:
    """Null, or what `inner` allows."""
    return lambda value: iter(()) if value is None else inner(value)


def either(*rules: Rule) -> Rule:
    """What at least one of the rules allows; otherwise the misfits of the last one."""

    def rule(value: object) -> Iterator[Misfit]:
        found: list[Misfit] = []
        for one in rules:
            found = list(one(value))
            if not found:
                return
        yield from found

    return rule


def document(inner: Rule) -> Rule:
    """A text that holds a JSON document."""

    def rule(value: object) -> Iterator[Misfit]:
        parsed = parse(value) if isinstance(value, str | bytes) else None
        if parsed is None:
            yield Misfit("", "not a JSON document, or one with a repeated key")
        else:
            yield from inner(parsed[0])

    return rule


def parse(source: str | bytes) -> tuple[object] | None:
    """The one document in a text; None if there is none, or if an object repeats a key.

    A repeated key would hide its first value from a reader that takes the last one.
    """
    try:
        return (parse_json(source, pairs=_once),)
    except ValueError:
        return None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def below(name: str, misfits: Iterator[Misfit]) -> Iterator[Misfit]:
    """The same misfits, one key further down."""
    for one in misfits:
        yield Misfit(f"{name}.{one.path}".rstrip("."), one.reason)
