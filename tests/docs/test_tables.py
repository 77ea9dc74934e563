"""Tables that are made from the code are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.tables import MARKED, documents, rewritten, tables


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_made_tables_are_what_the_code_makes_now(path: Path) -> None:
    text = path.read_text("utf-8")
    assert rewritten(text) == text, "run `make tables`"


def test_every_event_has_its_table_in_the_privacy_document() -> None:
    text = next(path for path in documents() if path.name == "privacy.md").read_text("utf-8")
    assert sorted(tables()) == sorted(match["name"] for match in MARKED.finditer(text))
