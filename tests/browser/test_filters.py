"""Every filter and every range on every page: a chart changes, or says why it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.dashboard.layout import read_layout
from tests.browser.conftest import Watched
from tests.browser.test_dashboard import axe

SECTIONS = ["overview", "health", "sessions", "adoption", "audience", "quality"]
FILTERS: list[str] = read_layout()["filters"]
READ = """() => {
  document.querySelectorAll(".tools button[aria-expanded=false]").forEach((one) => one.click());
  const text = (one, what) => one?.querySelector(what)?.textContent ?? "";
  const tiles = [...document.querySelectorAll(".tile")].map((one) => [`tile ${one.dataset.metric}`,
    { note: text(one, ".how") || one.textContent, figures: text(one, ".number"), empty: "" }]);
  const cards = [...document.querySelectorAll("#charts > .card")].map((one) => [one.id, {
    note: text(one, ".note"), empty: text(one, ".empty"),
    figures: [...one.querySelectorAll("table")].at(-1)?.textContent ?? "" }]);
  return Object.fromEntries([...tiles, ...cards]);
}"""
GO = """(words) => {
  if (location.hash === `#${words}`) return;
  delete document.documentElement.dataset.drawn;
  location.hash = words;
}"""
REFUSED = "Not published by"
LIGHT = "is highlighted"
ABSENT = ("Fewer than", "under ", "over ", "Not collected", "No whole", "Nothing counted", "None")


@pytest.fixture(scope="module")
def page(browser: Browser, pages: Mapping[str, str]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context.new_page())
    yield watched.open(pages["full"])
    context.close()
    assert watched.troubles == []


def read(page: Page, words: str) -> dict[str, dict[str, str]]:
    """Every tile and chart of the page at an address: its note, its figures, why it is empty."""
    page.evaluate(GO, words)
    page.wait_for_selector("html[data-drawn]")
    found: dict[str, dict[str, str]] = page.evaluate(READ)
    return found


@pytest.fixture(scope="module")
def members(page: Page) -> dict[str, str]:
    """The first member of each filter that the page offers."""
    read(page, "overview")
    found = {}
    for name in page.locator("#dimension option").evaluate_all(
        "all => all.map((one) => one.value)"
    ):
        if name:
            page.get_by_label("Filter by").select_option(name)
            found[name] = page.locator("#member option").nth(1).get_attribute("value") or ""
    return found


def test_every_filter_of_the_layout_is_offered(members: dict[str, str]) -> None:
    assert sorted(members) == sorted(FILTERS)
    assert all(members.values())


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_filter_changes_a_chart_or_the_chart_says_why_not(
    page: Page, members: dict[str, str], section: str, name: str
) -> None:
    whole = read(page, section)
    cut = read(page, f"{section}?{name}={members[name]}")
    assert whole.keys() == cut.keys()
    told = {REFUSED: 0, LIGHT: 0, "changed": 0}
    for place, now in cut.items():
        before = whole[place]
        if REFUSED in now["note"]:
            assert now["figures"] == before["figures"], f"{place} says that it shows all"
            told[REFUSED] += 1
        elif LIGHT in now["note"]:
            told[LIGHT] += 1
        elif now["figures"] != before["figures"]:
            assert "Filtered by" in now["note"] or now["empty"], place
            told["changed"] += 1
        elif now["figures"].startswith(("under ", "over ")):
            assert "Filtered by" in now["note"], place  # The same limit holds for the part.
        else:
            assert now["empty"].startswith(ABSENT), f"{place} ignores {name} in silence"
    assert sum(told.values()) > len(cut) / 2


RANGES = ["days=7", "days=90", "from=2026-10-05&to=2026-10-28", "from=2026-11-17&to=2026-11-20"]
OWN_WINDOW = "A key period is 28 days"


@pytest.mark.parametrize("words", RANGES)
@pytest.mark.parametrize("section", SECTIONS)
def test_a_range_changes_a_chart_or_the_chart_says_why_not(
    page: Page, section: str, words: str
) -> None:
    before, now = read(page, section), read(page, f"{section}?{words}")
    for place, found in now.items():
        changed = found != before[place]
        own = OWN_WINDOW in found["note"] or "key period" in found["note"]
        # One day of ingestion, in every range that ends with the last day.
        fact = section == "quality" and "2026-11-23" in found["figures"] + before[place]["figures"]
        absent = found["empty"].startswith((*ABSENT, "Choose a whole week"))
        tile = place.startswith("tile") and section == "quality"
        assert changed or own or fact or absent or tile, f"{place} ignores {words} in silence"


def test_a_range_without_a_whole_week_offers_one(page: Page) -> None:
    found = read(page, "audience?from=2026-11-17&to=2026-11-20")
    assert all(one["empty"].startswith("Choose a whole week") for one in found.values())
    page.get_by_role("button", name="Show 16 Nov – Sun, 22 Nov 2026").first.click()
    expect(page.locator("#rank-accounts_by_country-country .note")).to_contain_text("1 whole week")


def test_two_filters_are_obeyed_together_or_one_by_one(page: Page, members: dict[str, str]) -> None:
    found = read(page, f"overview?model={members['model']}&region={members['region']}")
    assert "Filtered by model and region." in found["trend-requests"]["note"]
    assert f"{REFUSED} model and region" in found["trend-active_week"]["note"]
    found = read(page, f"overview?model={members['model']}&country={members['country']}")
    note = found["trend-requests"]["note"]
    assert "Filtered by country." in note
    assert f"{REFUSED} model as well." in note


CLICKS = [
    ("overview", "#rank-requests-plan .bars button", "plan"),
    ("overview", "#stack-requests-model .legend button", "model"),
    ("health", "#routes-requests-route tbody button", "route"),
    ("adoption", "#heat-feature_uses-feature-plan tbody button", "feature"),
    ("adoption", "#heat-feature_uses-feature-plan thead button", "plan"),
    ("adoption", "#cohort-retention_week-account_age tbody button", "account_age"),
    ("sessions", "#stack-end_reasons-end_reason .legend button", "end_reason"),
    ("quality", "#rank-unknown_share-field .bars button", "field"),
]


@pytest.mark.parametrize(("section", "place", "name"), CLICKS)
@pytest.mark.parametrize("how", ["click", "key"])
def test_a_part_of_a_chart_filters_by_click_and_by_key(
    page: Page, section: str, place: str, name: str, how: str
) -> None:
    read(page, section)
    part: Any = page.locator(place).first
    if how == "click":
        part.click()
    else:
        part.focus()
        page.keyboard.press("Enter")
    expect(page.locator("#chips button")).to_have_count(1)
    assert f"{name}=" in page.url
    pressed = page.locator(f"{place}[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    pressed.click()
    expect(page.locator("#chips button")).to_have_count(0)


def test_every_bar_row_and_legend_entry_is_a_button_but_what_is_merged(page: Page) -> None:
    for section in SECTIONS:
        read(page, section)
        rows = page.locator(".bars .row, .legend .key, .heat tbody th > *, .sheet tbody th > *")
        dead = rows.evaluate_all(
            "all => all.filter((one) => one.tagName !== 'BUTTON').map((one) => one.textContent)"
        )
        known = ("Other, merged", "more", "p50", "p90", "p95", "p99", "Before")
        plain = {text for text in dead if not any(word in text for word in known)}
        assert {text for text in plain if not is_time(text)} <= titles(page), section


def is_time(text: str) -> bool:
    """A weekday, a day, or the name of what a dashed line is."""
    return (
        text in {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
        or "2026" in text
        or (text.startswith(("The time before", "Four weeks")))
    )


def titles(page: Page) -> set[str]:
    """Titles of charts: the legend of a single line repeats its own."""
    return set(page.locator(".card h3").all_inner_texts())


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("words", ["adoption?feature=face_swap", "health?region=eu-west-1"])
def test_a_filtered_page_has_nothing_for_axe_to_find(page: Page, words: str, theme: Any) -> None:
    page.emulate_media(color_scheme=theme)
    read(page, words)
    assert axe(page) == []
    page.emulate_media(color_scheme="light")
