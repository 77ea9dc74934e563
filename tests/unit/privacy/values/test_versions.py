"""Versions, by a table of examples."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.privacy.values.versions import major_minor
from tests.privacy_rows import anonymize, fixture, stored


@pytest.mark.parametrize("row", list(fixture("versions.tsv")))
def test_a_version_is_reduced_as_the_table_says(row: list[Any]) -> None:
    assert major_minor(row[0]) == row[1]
    assert stored("api_request", "sdk_version", [row[0]], "sdk_version") == [row[1]]


def test_a_version_that_is_none_is_counted_and_a_missing_one_is_not() -> None:
    rows = [{"sdk_version": text} for text in ("2.3.1", "latest", "latest", "", None)]
    clean = anonymize("api_request", rows)
    assert clean.nulled == {("sdk_version", "unparseable"): 2}


@pytest.mark.parametrize("text", ["", "\n", "2.3\n", "2.3 ", " 2.3", "2,3", ".3", "2.", "-2.3"])
def test_what_is_no_version_is_none(text: str) -> None:
    assert major_minor(text) is None
