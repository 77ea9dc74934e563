"""Suggestions: the nearest known name for one that does not exist, and never a destructive one.

The word itself is not repeated: `telemetry optout ID` would print an account id.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import click

DESTRUCTIVE = frozenset(
    {
        *("erase", "expire", "release", "restrict", "remove", "end", "adopt", "accept"),
        *("--apply", "--acknowledge", "--under-13"),
    }
)
"""Commands and options that destroy, or record what cannot be taken back: they are typed, never
suggested."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None if there is none, or it destroys."""
    found = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return found[0] if found and found[0] not in DESTRUCTIVE else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the suggestion as a sentence; empty if there is none."""
    found = nearest(name, known)
    return f"Did you mean {found}?" if found else ""


class NotListed(click.BadParameter):
    """A word that is not in a closed list, with what was probably meant instead of the word."""

    suggestion = ""


class Closed(click.Choice[str]):
    """A closed list of words, matched without case; a miss suggests the nearest."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(list(words), case_sensitive=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word as it is listed. Raises `NotListed`, which does not repeat it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            told = NotListed("not in the list", ctx=error.ctx, param=error.param)
            told.suggestion = did_you_mean(str(value), [str(choice) for choice in self.choices])
            raise told from None
