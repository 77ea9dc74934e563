"""The packaged layout names metrics, tables and dimensions of the registry, each with its words."""

from __future__ import annotations

import pytest

from pipeline.dashboard.layout import added_tiles, read_layout
from pipeline.errors import SettingsError
from pipeline.ops.rollup.registry import MetricKind
from tests.dashboards import REGISTRY

LAYOUT = read_layout()
DIMENSIONS = {
    name
    for metric in REGISTRY.metrics.values()
    if metric.kind is not MetricKind.FACT
    for name in metric.dimensions()
}


def test_it_is_read_afresh_each_time() -> None:
    changed = read_layout()
    changed.clear()
    assert read_layout() == LAYOUT


def test_every_dimension_of_a_published_table_has_a_title() -> None:
    assert LAYOUT["names"].keys() >= DIMENSIONS
    assert all(title[0].isupper() for title in LAYOUT["names"].values())


def test_readers_may_filter_by_dimensions_that_are_published() -> None:
    assert set(LAYOUT["filters"]) <= DIMENSIONS
    assert len(set(LAYOUT["filters"])) == len(LAYOUT["filters"])


def test_metrics_that_are_added_are_tiles_and_charts_and_can_be_told_again() -> None:
    layout = read_layout({"health": ["a", "b"]}, {"a", "b"})
    before, after = LAYOUT["page"], layout["page"]
    (at,) = [number for number, page in enumerate(after) if page["name"] == "health"]
    assert after[at]["tiles"] == [*before[at]["tiles"], "a", "b"]
    assert after[at]["charts"][-2:] == [{"draw": "trend", "metric": name} for name in ("a", "b")]
    assert [page for page in after if page["name"] != "health"] == [
        page for page in before if page["name"] != "health"
    ]
    assert added_tiles(layout) == {"health": ["a", "b"]}
    assert added_tiles(LAYOUT) == {}


@pytest.mark.parametrize("tiles", [{"healt": ["a"]}, {"health": ["b"]}])
def test_a_page_or_metric_that_is_not_there_is_refused(tiles: dict[str, list[str]]) -> None:
    with pytest.raises(SettingsError, match="dashboard"):
        read_layout(tiles, {"a"})
