"""Referrers and versions, by tables of examples."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.events.catalogue import FIXED
from tests.privacy_rows import anonymize, fixture, stored


@pytest.mark.parametrize("row", list(fixture("referrers.tsv")))
def test_a_referrer_has_the_class_that_the_table_says(row: list[Any]) -> None:
    assert stored("api_request", "referrer", [row[0]], "referrer_class") == [row[1]]


def test_the_table_shows_every_class() -> None:
    assert {row[1] for row in fixture("referrers.tsv")} == set(FIXED["referrer_classes"])


@pytest.mark.parametrize("row", list(fixture("versions.tsv")))
def test_a_version_is_reduced_as_the_table_says(row: list[Any]) -> None:
    assert stored("api_request", "sdk_version", [row[0]], "sdk_version") == [row[1]]


def test_a_version_that_is_none_is_counted_and_a_missing_one_is_not() -> None:
    rows = [{"sdk_version": text} for text in ("2.3.1", "latest", "latest", "", None)]
    clean = anonymize("api_request", rows)
    assert clean.nulled == {("sdk_version", "unparseable"): 2}
