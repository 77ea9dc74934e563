"""Referrers, by a table of examples."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.events.catalogue import FIXED
from tests.privacy_rows import fixture, stored


@pytest.mark.parametrize("row", list(fixture("referrers.tsv")))
def test_a_referrer_has_the_class_that_the_table_says(row: list[Any]) -> None:
    assert stored("api_request", "referrer", [row[0]], "referrer_class") == [row[1]]


def test_the_table_shows_every_class() -> None:
    assert {row[1] for row in fixture("referrers.tsv")} == set(FIXED["referrer_classes"])
