"""The data dictionary in a real browser: accessible in both themes and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.ops.dictionary import dictionary
from pipeline.ops.dictionary_page import as_page
from tests.browser.conftest import Watched
from tests.browser.test_dashboard import axe


@pytest.fixture
def address(tmp_path: Path) -> str:
    schemas = [versions[-1] for _, versions in sorted(load_schemas().items())]
    path = tmp_path / "dictionary.html"
    path.write_text(as_page(dictionary(schemas, load_catalogue(None)), "1.0"), "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_for_axe_to_find(tab: Watched, address: str, theme: Any) -> None:
    tab.page.emulate_media(color_scheme=theme)
    tab.page.goto(address)
    assert axe(tab.page) == []


def test_a_phone_scrolls_down_only(tab: Watched, address: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.goto(address)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
