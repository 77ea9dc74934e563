"""The documentation's site in a real browser, from a folder: its search works there."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import Watched
from tests.docs.site import build, environment


def test_the_search_finds_pages_without_a_server(tab: Watched, tmp_path: Path) -> None:
    done = build(environment(), tmp_path / "html")
    assert done.returncode == 0, done.stderr
    tab.page.goto((tmp_path / "html" / "index.html").as_uri())
    tab.page.wait_for_url("**/docs/index.html")
    tab.page.locator("input[name=q]").first.fill("tombstone")
    tab.page.keyboard.press("Enter")
    tab.page.locator("ul.search a").first.wait_for()
    found = tab.page.locator("ul.search a").all_inner_texts()
    assert "Glossary" in found
