"""The page in a real browser: accessible, quick, quiet, and honest when there is little to show."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
SECTIONS = ["overview", "health", "sessions", "adoption", "audience", "quality", "definitions"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SLOWNESS = float(os.environ.get("BROWSER_SLOWNESS", "1"))
"""Multiplies the time limits on a machine that other work keeps busy."""


def axe(page: Page) -> list[str]:
    """What axe-core finds, one line each. Evaluated by the debugger, so the page's policy holds."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "(rules) => axe.run(document, { runOnly: { type: 'tag', values: rules } })", RULES
    )
    return [
        f"{item['id']}: {node['target']}" for item in found["violations"] for node in item["nodes"]
    ]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_for_axe_to_find(
    tab: Watched, pages: dict[str, str], section: str, theme: Any
) -> None:
    tab.page.emulate_media(color_scheme=theme)
    page = tab.open(pages["full"], section)
    if section == "overview":
        page.get_by_role("button", name="Table: Requests", exact=True).click()
    assert axe(page) == []


@pytest.mark.parametrize("section", ["overview", "audience", "quality", "definitions"])
def test_a_phone_scrolls_down_only(tab: Watched, pages: dict[str, str], section: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    page = tab.open(pages["full"], section)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert axe(page) == []


@pytest.mark.parametrize("lake", ["one_day", "small", "empty"])
@pytest.mark.parametrize("section", SECTIONS)
def test_a_page_with_little_to_show_draws(
    tab: Watched, pages: dict[str, str], lake: str, section: str
) -> None:
    page = tab.open(pages[lake], section)
    expect(page.locator("h2#title")).not_to_be_empty()
    if section == "overview":
        assert axe(page) == []


def test_an_empty_lake_names_the_next_command(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["empty"])
    expect(page.locator("#banner")).to_contain_text("start with telemetry run")
    expect(page.locator("[data-metric=requests][data-kind=trend] code")).to_have_text(
        "telemetry run"
    )


def test_too_few_accounts_are_hidden_and_never_zero(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["small"])
    expect(page.locator("[data-metric=requests][data-kind=trend]")).to_contain_text(
        "Fewer than 20 accounts: hidden"
    )
    assert page.locator("#tiles [data-value]").count() == 0


@pytest.mark.parametrize(
    ("now", "tone", "words"),
    [
        ("2026-11-23T12:00:00Z", None, ""),
        ("2026-11-24T03:00:00Z", "", "ended 27 hours ago"),
        ("2026-11-25T03:00:00Z", "stop", "figures are old"),
    ],
)
def test_stale_figures_say_so(
    tab: Watched, pages: dict[str, str], now: str, tone: str | None, words: str
) -> None:
    page = tab.open(pages["full"], at=now)
    line = page.locator("#banner p")
    if tone is None:
        expect(line).to_have_count(0)
    else:
        expect(line).to_contain_text(words)
        assert line.get_attribute("class") == tone


def test_the_first_chart_is_there_within_a_second(tab: Watched, pages: dict[str, str]) -> None:
    times = []
    for _ in range(3):
        page = tab.page
        page.goto("about:blank")
        page.goto(pages["full"])
        page.wait_for_selector("html[data-drawn]")
        times.append(page.evaluate("performance.getEntriesByName('first-chart')[0].startTime"))
    assert min(times) < 1000 * SLOWNESS


def test_a_filter_is_drawn_within_three_tenths(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    times = []
    for model in ("v2v-turbo", "v2v-large", "v2v-lite"):
        page.evaluate("(model) => { location.hash = `overview?model=${model}`; }", model)
        expect(page.locator("#chips")).to_contain_text(model)
        times.append(int(page.evaluate("document.documentElement.dataset.drawn")))
    assert min(times) < 300 * SLOWNESS


def test_filters_are_chips_and_live_in_the_address(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    page.get_by_label("Filter by").select_option("model")
    page.get_by_label("Value").select_option("v2v-turbo")
    expect(page).to_have_url(f"{pages['full']}#overview?model=v2v-turbo")
    filtered = float(
        page.locator("[data-metric=requests] .number").get_attribute("data-value") or 0
    )
    note = page.locator("[data-metric=active_day][data-kind=trend] .note")
    expect(note).to_contain_text("Not published by model")
    page.get_by_role("button", name="Remove filter Model v2v-turbo").click()
    expect(page.locator("#chips li")).to_have_count(0)
    whole = float(page.locator("[data-metric=requests] .number").get_attribute("data-value") or 0)
    assert 0 < filtered < whole
    page.go_back()
    expect(page.locator("#chips")).to_contain_text("v2v-turbo")


def test_presets_and_days_change_the_range(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    page.get_by_role("button", name="7", exact=True).click()
    expect(page.locator("[data-metric=requests].tile")).to_contain_text("in 7 days")
    page.get_by_label("From", exact=True).fill("2026-11-02")
    expect(page.locator("[data-metric=requests].tile")).to_contain_text("in 21 days")
    assert "from=2026-11-02" in page.url


def test_a_comparison_has_arrow_sign_and_word(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    words = page.locator("#tiles .tile p:last-child").all_inner_texts()
    assert any(text.startswith(("▲ +", "▼ −")) for text in words)
    assert all(text.startswith(("▲ +", "▼ −", "= about", "No earlier")) for text in words)


def test_every_shown_number_is_in_the_table_and_the_csv(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["full"])
    data = json.loads(page.locator("#data").text_content() or "")
    cube = data["tables"]["requests|day|"]
    expected = cube["value"][0][-28:]
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV: Requests", exact=True).click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))
    assert rows[0] == ["day", "Requests", "Before"]
    assert [float(row[1]) for row in rows[1:]] == expected
    tile = page.locator("[data-metric=requests].tile .number")
    assert float(tile.get_attribute("data-value") or 0) == sum(expected)
    page.get_by_role("button", name="Table: Requests", exact=True).click()
    cells = page.locator("[data-metric=requests][data-kind=trend] tbody tr td:nth-child(2)")
    shown = [int(text.replace(",", "")) for text in cells.all_inner_texts()]
    assert shown == expected


def test_everything_can_be_done_by_keyboard(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.id || document.activeElement.textContent"
            )
        )
    order = ["7", "28", "90", "from", "to", "dimension", "Table: Requests", "CSV: Requests"]
    places = [seen.index(name) for name in order]
    assert places == sorted(places)
    page.get_by_role("button", name="Table: Requests", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Table: Requests")).to_be_visible()


def test_focus_moves_to_the_page_that_was_chosen(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    page.get_by_role("link", name="Sessions").click()
    expect(page.locator("h2#title")).to_have_text("Sessions")
    assert page.evaluate("document.activeElement.id") == "main"
    expect(page.locator("nav a[aria-current=page]")).to_have_text("Sessions")


def test_print_is_light_and_without_controls(tab: Watched, pages: dict[str, str]) -> None:
    tab.page.emulate_media(color_scheme="dark")
    page = tab.open(pages["full"])
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.locator("#bar")).to_be_hidden()
    expect(page.locator("nav")).to_be_hidden()
    assert len(page.pdf(format="A4")) > 50_000


def test_a_theme_can_be_chosen(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    page.get_by_label("Theme").select_option("dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_served_page_works_under_its_headers(tab: Watched, tmp_path: Path) -> None:
    import threading

    from pipeline.dashboard.serve import SiteServer
    from tests.dashboards import rolled_up, site

    files = site(rolled_up(tmp_path, 3, 6_000, 300))
    with SiteServer(lambda: files, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        page = tab.open(server.url)
        expect(page.locator("canvas").first).to_be_visible()
        server.shutdown()
        thread.join()
    assert all(url.startswith((server.url, "about:")) for url in tab.requests)
    tab.requests.clear()
