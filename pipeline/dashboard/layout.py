"""What is shown on which page, and the titles of dimensions: `layout.toml` as values.

The file is data of ours, packaged with the code; a malformed one is a defect and fails as such. An
installation can add metrics of its own to a page: each becomes a tile and a chart by day.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any

from pipeline.errors import SettingsError
from pipeline.parsing import parse_toml

Tiles = Mapping[str, Sequence[str]]
"""Names of metrics, by page."""


def read_layout(more: Tiles | None = None, known: Collection[str] = ()) -> dict[str, Any]:
    """The pages in their order, the names of dimensions, and those that a reader may filter by.

    `more` are added to the pages' tiles; raises SettingsError for one that is not `known`.
    """
    text = files("pipeline.dashboard").joinpath("layout.toml").read_text(encoding="utf-8")
    layout = parse_toml(text)
    pages = {page["name"]: page for page in layout["page"]}
    for name, metrics in (more or {}).items():
        if name not in pages:
            raise _refuse(name, "there is no such page", pages)
        for metric in metrics:
            if metric not in known:
                raise _refuse(name, "the last rollup published no such metric", known)
            pages[name]["tiles"].append(metric)
            pages[name]["charts"].append({"draw": "trend", "metric": metric})
    return layout


def added_tiles(layout: Mapping[str, Any]) -> Tiles:
    """What was added to the packaged layout; raises KeyError for what is not a layout."""
    packaged = {page["name"]: len(page["tiles"]) for page in read_layout()["page"]}
    found = {page["name"]: page["tiles"][packaged[page["name"]] :] for page in layout["page"]}
    return {name: tiles for name, tiles in found.items() if tiles}


def _refuse(page: str, what: str, names: Collection[str]) -> SettingsError:
    return SettingsError(
        "The tiles of the page do not load",
        where=f"dashboard.tiles.{page}",
        why=what,
        remedy=f"Use one of {', '.join(sorted(names))}",
    )
