"""Metrics that could show a person do not load."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipeline.errors import PrivacyGateClosed, SchemaError
from pipeline.io.resources import load_metrics
from pipeline.ops.rollup_registry import Kind, Window, parse_registry
from pipeline.ops.rollup_windows import Span, closed_spans, is_closed, one_epoch, span_of
from pipeline.privacy.epochs import EpochKind

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


def parse(metric: str, epoch: EpochKind = EpochKind.FOUR_WEEKS) -> None:
    parse_registry({"populations": POPULATIONS, "overview": metric}, epoch)


def test_the_packaged_registry_loads() -> None:
    registry = parse_registry(load_metrics(), EpochKind.FOUR_WEEKS)
    assert len(registry.metrics) > 45
    assert registry.metrics["http_5xx_rate"].kind is Kind.RATIO
    assert set(registry.events_of(registry.metrics["active_day"])) == {
        "session",
        "feature_use",
        "api_request",
    }


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
        parse_registry(texts, EpochKind.FOUR_WEEKS)


def test_windows_that_cross_a_key_epoch_are_refused() -> None:
    with pytest.raises(PrivacyGateClosed, match="border of a key epoch"):
        one_epoch(Span(date(2026, 10, 26), date(2026, 11, 8)), EpochKind.FOUR_WEEKS)
    with pytest.raises(PrivacyGateClosed):
        span_of(date(2026, 11, 4), Window.WEEK, EpochKind.DAY)


def test_periods_are_key_epochs() -> None:
    span = span_of(date(2026, 11, 4), Window.PERIOD, EpochKind.FOUR_WEEKS)
    assert span == Span(date(2026, 11, 2), date(2026, 11, 29))


@pytest.mark.parametrize(("hour", "minute", "closed"), [(1, 59, False), (2, 0, True)])
def test_a_day_closes_two_hours_after_midnight(hour: int, minute: int, closed: bool) -> None:
    day = Span(date(2026, 11, 3), date(2026, 11, 3))
    assert is_closed(day, datetime(2026, 11, 4, hour, minute, tzinfo=UTC)) is closed


def test_only_closed_windows_are_due() -> None:
    days = [date(2026, 11, 2), date(2026, 11, 9)]
    now = datetime(2026, 11, 10, 12, tzinfo=UTC)
    weeks = closed_spans(days, Window.WEEK, EpochKind.FOUR_WEEKS, now)
    assert [span.start for span in weeks] == [date(2026, 11, 2)]
