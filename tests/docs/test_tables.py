"""Tables that are made from the code are up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.tables import MARKED, documents, rewritten, tables


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_made_tables_are_what_the_code_makes_now(path: Path) -> None:
    text = path.read_text("utf-8")
    assert rewritten(text) == text, "run `make tables`"


def test_every_table_that_is_made_stands_in_a_document() -> None:
    texts = [path.read_text("utf-8") for path in documents()]
    placed = [match["name"] for text in texts for match in MARKED.finditer(text)]
    assert sorted(placed) == sorted(tables())
