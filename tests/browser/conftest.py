"""The system's Chromium, opened on pages built from invented lakes, without any network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.dashboards import rolled_up, site

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LAKES = {
    "full": (63, 90_000, 1500),
    "sparse": (35, 9_000, 170),
    "one_day": (1, 3_000, 400),
    "small": (9, 900, 15),
    "empty": (0, 0, 1),
}
"""Days, requests and accounts of each invented lake; `small` has nobody to publish."""
LISTEN = """
addEventListener("error", (event) => console.error(`error: ${event.message}`));
addEventListener("unhandledrejection", (event) => console.error(`rejection: ${event.reason}`));
"""
"""Errors that reach no console by themselves, such as a loop of a ResizeObserver."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip("needs a Chromium: install one, or name it in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Pages(dict[str, str]):
    """Addresses of the built pages by lake, each built when it is first asked for."""

    def __init__(self, make: Callable[[str], Path]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> str:
        folder = self._make(name)
        page = folder / "index.html"
        page.write_text(site(rolled_up(folder / "lake", *LAKES[name]))["index.html"], "utf-8")
        self[name] = page.as_uri()
        return self[name]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the built pages, by lake."""
    return Pages(tmp_path_factory.mktemp)


class Watched:
    """A browser tab, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self._told(message.type, message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.add_init_script(LISTEN)

    def _told(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.troubles.append(text)

    def open(self, address: str, hash_: str = "", at: str = "2026-11-23T12:00:00Z") -> Page:
        """Open a page at a moment, and wait until it is drawn."""
        self.page.clock.set_fixed_time(at)
        self.page.goto("about:blank")
        self.page.goto(f"{address}#{hash_}")
        self.page.wait_for_selector("html[data-drawn]")
        return self.page


@pytest.fixture
def tab(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page())
    yield watched
    context.close()
    assert watched.troubles == []
    assert [
        url for url in watched.requests if not url.startswith(("file:", "blob:", "about:"))
    ] == []
