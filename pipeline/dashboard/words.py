"""What an installation sets for its page: a title, labels for keys of dimensions, tiles to add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pipeline.dashboard.annotations import PERSONAL
from pipeline.dashboard.layout import Tiles, added_tiles
from pipeline.errors import SettingsError

LONGEST = 60
"""Most characters of a title or a label."""


@dataclass(frozen=True, slots=True)
class Words:
    """The page's title, and labels by dimension and key. Raises SettingsError for invalid ones.

    A label that names an address, an e-mail or a token does not load: the page is for everybody.
    """

    title: str = "Usage"
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tiles: Tiles = field(default_factory=dict)
    """Metrics that are added to pages; `layout.read_layout` checks them."""

    def __post_init__(self) -> None:
        _check(self.title, "title")
        for dimension, names in self.labels.items():
            for key, label in names.items():
                _check(label, f"labels.{dimension}.{key}")

    @classmethod
    def of_json(cls, data: Mapping[str, object]) -> Words:
        """The words that a page's data holds. Raises SettingsError, or KeyError without any."""
        title, labels = data["title"], data["labels"]
        if not isinstance(title, str) or not isinstance(labels, dict):
            raise SettingsError("The page's words do not load", where="page")
        return cls(title, labels, added_tiles(cast("Mapping[str, Any]", data["layout"])))

    def over(self, known: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """Give the labels of the layout with these over them."""
        names = sorted({*known, *self.labels})
        return {name: {**known.get(name, {}), **self.labels.get(name, {})} for name in names}


def _check(text: object, name: str) -> None:
    where = f"dashboard.{name}"
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise SettingsError(
            "The page's words do not load",
            where=where,
            why=f"expected 1 to {LONGEST} characters",
            remedy="Give a shorter text",
        )
    if PERSONAL.search(text):
        raise SettingsError(
            "The page's words do not load",
            where=where,
            why="the text names an address, an e-mail or a token: the page is for everybody",
            remedy="Give another text",
        )
