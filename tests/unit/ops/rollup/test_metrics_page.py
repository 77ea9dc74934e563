"""docs/metrics.md says of every metric what it is, and is the same for the same registry."""

from __future__ import annotations

import re

from pipeline.events.schema import withheld
from pipeline.io.package_data import load_metrics, load_schemas
from pipeline.ops.rollup.metrics_page import PAGES, metrics_page
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.registry import parse_registry
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH

PAGE = metrics_page(REGISTRY)


def test_every_metric_has_its_part_under_the_page_that_shows_it() -> None:
    parts = re.split(r"^## ", PAGE, flags=re.M)[1:]
    titles = {title: page for page, title in PAGES.items()}
    shown = {
        name: titles[part.splitlines()[0]]
        for part in parts
        if part.splitlines()[0] in titles
        for name in re.findall(r"^### `(\w+)`: ", part, re.M)
    }
    assert shown == {metric.name: metric.page for metric in REGISTRY.metrics.values()}


def test_a_metric_is_told_in_words_with_its_caveat_and_population() -> None:
    part = PAGE[PAGE.index("### `latency`: Latency") :]
    part = part[: part.index("\n### ")]
    metric = REGISTRY.metrics["latency"]
    assert metric.sentence in part
    assert metric.caveat in part
    assert "p50, p95, p99 of `latency_ms`" in part
    assert "lower is better" in part
    assert "[`served`](#served)" in part
    assert "day by nothing; week by nothing; week by `model`" in part


def test_every_population_shows_its_sql() -> None:
    for population in REGISTRY.populations.values():
        assert f"### `{population.name}`\n\n{population.sentence}\n" in PAGE
        assert population.sql in PAGE


def test_every_column_of_a_publication_is_explained() -> None:
    for name in PUBLISHED.names:
        assert f"`{name}`" in PAGE or name in ("p90", "p95")


def test_equal_registries_make_equal_pages() -> None:
    assert metrics_page(parse_registry(load_metrics(), EPOCH, withheld(load_schemas()))) == PAGE
    assert PAGE.endswith("\n")
    assert not PAGE.endswith("\n\n")
