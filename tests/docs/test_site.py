"""The site holds every page, its links lead somewhere, and it asks nothing from outside."""

from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.site import CONFIGURATION, build, environment
from tests.docs.tables import ROOT

REQUESTS = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
    "form": "action",
}


class Asked(HTMLParser):
    """What a page makes a browser ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name == REQUESTS.get(tag)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site; a link that leads nowhere fails here."""
    folder = tmp_path_factory.mktemp("site") / "html"
    done = build(environment(), folder)
    assert done.returncode == 0, done.stderr
    return folder


def pages() -> list[str]:
    parts = tomllib.loads((CONFIGURATION / "contents.toml").read_text("utf-8"))["parts"]
    return [page for part in parts for page in part["pages"]]


def test_every_page_of_the_documentation_is_in_one_part_of_the_site() -> None:
    written = {
        str(path.relative_to(ROOT).with_suffix("")) for path in (ROOT / "docs").rglob("*.md")
    }
    assert written - {"docs/index"} <= set(pages())
    assert [page for page in pages() if not (ROOT / f"{page}.md").exists()] == []
    assert len(pages()) == len(set(pages()))


def test_every_page_is_built_and_the_first_leads_to_the_index(site: Path) -> None:
    assert [page for page in pages() if not (site / f"{page}.html").exists()] == []
    assert "url=docs/index.html" in (site / "index.html").read_text("utf-8")
    index = (site / "docs/index.html").read_text("utf-8")
    assert [page for page in pages() if f"{page.removeprefix('docs/')}.html" not in index] == []


def test_nothing_is_asked_from_outside(site: Path) -> None:
    outside = [
        f"{path.relative_to(site)}: {address}"
        for path in site.rglob("*.html")
        for address in Asked(path.read_text("utf-8")).addresses
        if "//" in address
    ]
    loaded = re.compile(
        r"(url\(|@import|fetch\(|importScripts\(|import\(|\.open\()\s*[\"']?[^\"')]*//"
    )
    outside += [
        f"{path.relative_to(site)}: {found[0]}"
        for kind in ("css", "js")
        for path in site.rglob(f"*.{kind}")
        for found in loaded.finditer(path.read_text("utf-8"))
    ]
    assert outside == []


def test_the_index_of_the_search_is_a_script_so_that_a_folder_can_be_searched(site: Path) -> None:
    assert (site / "searchindex.js").read_text("utf-8").startswith("Search.setIndex(")
    scripts = Asked((site / "search.html").read_text("utf-8")).addresses
    assert "searchindex.js" in scripts


@pytest.mark.parametrize("link", ["nowhere" + ".md", "index.md#nowhere", "#nowhere"])
def test_a_link_that_leads_nowhere_fails_the_build(link: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Pages\n\n[one]({link})\n")
    done = build(environment(), tmp_path / "html", tmp_path)
    assert done.returncode == 1
    assert f"target not found: '{link}'" in done.stderr or "nowhere" in done.stderr
