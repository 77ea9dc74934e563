"""Metrics that could show a person do not load."""

from __future__ import annotations

import pytest

from pipeline.errors import SchemaError
from pipeline.events.schema import withheld
from pipeline.io.package_data import load_metrics, load_schemas
from pipeline.ops.rollup.registry import MetricKind, parse_registry
from pipeline.privacy.identity.epochs import EpochKind

POPULATIONS = """
[events.api_request]
columns = ["subject", "model", "status"]
[population.requests]
sentence = "Requests."
sql = "SELECT * FROM api_request"
"""
METRIC = """
[requests]
title = "Requests"
sentence = "Requests."
unit = "requests"
kind = "count"
good = "up"
population = "requests"
day = [[], ["model"]]
"""


WITHHELD = withheld(load_schemas())


def parse(metric: str, epoch: EpochKind = EpochKind.FOUR_WEEKS) -> None:
    parse_registry({"populations": POPULATIONS, "overview": metric}, epoch, WITHHELD)


def test_the_packaged_registry_loads() -> None:
    registry = parse_registry(load_metrics(), EpochKind.FOUR_WEEKS, WITHHELD)
    assert len(registry.metrics) > 45
    assert registry.metrics["http_5xx_rate"].kind is MetricKind.RATIO
    assert set(registry.populations["people"].reads) == {"session", "feature_use", "api_request"}


def test_a_table_is_not_cut_by_a_column_of_tokens_that_an_operator_declares() -> None:
    texts = {"populations": POPULATIONS, "overview": METRIC.replace('"model"', '"device_token"')}
    parse_registry(texts, EpochKind.FOUR_WEEKS, WITHHELD)
    with pytest.raises(SchemaError, match="token column"):
        parse_registry(texts, EpochKind.FOUR_WEEKS, WITHHELD | {"device_token"})


def test_a_metric_loads() -> None:
    parse(METRIC)


REFUSED = {
    "two dimensions a day": ('["model"]', '["model", "status"]', "cut by two dimensions"),
    "three dimensions": ('day = [[], ["model"]]', 'week = [["a", "b", "c"]]', "more than two"),
    "a token": ('["model"]', '["subject"]', "token column"),
    "a network": ('["model"]', '["ip_prefix"]', "token column"),
    "an expression": ('["model"]', '["model; DROP"]', "not a column's name"),
    "unknown population": ('population = "requests"', 'population = "x"', "population is unknown"),
    "unknown kind": ('kind = "count"', 'kind = "median"', "kind is unknown"),
    "unknown unit": ('unit = "requests"', 'unit = "apples"', "unit is unknown"),
    "unknown direction": ('good = "up"', 'good = "left"', "good is unknown"),
    "unknown key": ("day =", "sql = 'x'\nday =", "key sql is unknown"),
    "no title": ('title = "Requests"', "", "title must be a text"),
    "overlapping sums": ("day = [[]", "week = [[]]\nday = [[]", "overlapping windows"),
    "quantiles of a count": ("day =", "quantiles = [50]\nday =", "belong to kind percentiles"),
    "no table": ('day = [[], ["model"]]', "", "no table is published"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_show_a_person_does_not_load(case: str) -> None:
    old, new, why = REFUSED[case]
    assert old in METRIC
    with pytest.raises(SchemaError, match=why):
        parse(METRIC.replace(old, new))


def test_a_week_does_not_load_when_it_would_cross_a_key_epoch() -> None:
    weekly = METRIC.replace("day =", "week =")
    parse(weekly, EpochKind.WEEK)
    with pytest.raises(SchemaError, match="crosses the border of a key epoch"):
        parse(weekly, EpochKind.DAY)


def test_a_metric_of_two_files_does_not_load() -> None:
    texts = {"populations": POPULATIONS, "a": METRIC, "b": METRIC}
    with pytest.raises(SchemaError, match="another file declares"):
        parse_registry(texts, EpochKind.FOUR_WEEKS, WITHHELD)
