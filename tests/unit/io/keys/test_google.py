"""A reference to Google's secret manager is told from every other text."""

from __future__ import annotations

import pytest

from pipeline.io.keys.google import SECRET_MANAGER


@pytest.mark.parametrize(
    ("reference", "is_one"),
    [
        ("gcp-sm:projects/p-1/secrets/keys", True),
        ("gcp-sm:projects/p-1/secrets/keys/versions/1", False),
        ("gcp-sm:projects/P/secrets/keys", False),
        ("gcp-sm:keys", False),
    ],
)
def test_the_reference_names_a_project_and_a_prefix(reference: str, is_one: bool) -> None:
    assert (SECRET_MANAGER.pattern.fullmatch(reference) is not None) is is_one
