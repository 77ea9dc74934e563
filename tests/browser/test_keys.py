"""Whoever works by keyboard keeps their place; whoever reads on a phone sees every word."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched

FOCUS = """() => {
  const at = document.activeElement;
  return at === document.body ? "" : at.dataset.pick ?? at.getAttribute("aria-label") ?? at.id;
}"""
STAYS = [
    ("overview", "#presets button", "7"),
    ("overview", "#stack-requests-model .legend button", None),
    ("adoption", "#heat-feature_uses-feature-plan tbody button", None),
    ("adoption", "#heat-feature_uses-feature-plan thead button", None),
    ("adoption", "#cohort-retention_week-account_age tbody button", None),
    ("overview?plan=pro", "#chips button", "dimension"),
    ("audience?from=2026-11-17&to=2026-11-20", ".empty button", "Accounts by country, map"),
]


@pytest.mark.parametrize(("place", "part", "then"), STAYS)
def test_the_focus_stays_where_it_was_when_the_page_is_drawn_anew(
    tab: Watched, pages: Mapping[str, str], place: str, part: str, then: str | None
) -> None:
    page = tab.open(pages["full"], place)
    page.locator(part).first.focus()
    was, url = page.evaluate(FOCUS), page.url
    page.keyboard.press("Enter")
    page.wait_for_function("(url) => location.href !== url", arg=url)
    assert page.evaluate(FOCUS) == (then or was) != ""


def test_a_filter_is_chosen_by_keys_and_the_focus_is_not_lost(
    tab: Watched, pages: Mapping[str, str]
) -> None:
    page = tab.open(pages["full"])
    page.locator("#dimension").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#chips button")).to_have_count(1)
    assert page.evaluate(FOCUS) == "dimension"


def test_a_date_can_be_typed(tab: Watched, pages: Mapping[str, str]) -> None:
    """A browser tells of every key; taken at once, the year 0002 would be clamped while typed."""
    page = tab.open(pages["full"])
    page.locator("#from").focus()
    page.keyboard.type("10152026")
    expect(page.locator("#from")).to_have_value("2026-10-15")
    assert "from=" not in page.url
    page.keyboard.press("Enter")
    expect(page.locator(".tile[data-metric=requests]")).to_contain_text("in 39 days")
    assert "from=2026-10-15" in page.url


def test_of_two_days_either_may_be_named_first(tab: Watched, pages: Mapping[str, str]) -> None:
    page = tab.open(pages["full"], "overview?from=2026-11-20&to=2026-11-11")
    expect(page.locator("#from")).to_have_value("2026-11-11")
    expect(page.locator(".tile[data-metric=requests]")).to_contain_text("in 10 days")
    page.locator("#to").fill("2026-11-02")
    expect(page.locator("#to")).to_have_value("2026-11-11")
    expect(page.locator(".tile[data-metric=requests]")).to_contain_text("in 10 days")


def test_what_was_opened_and_sorted_stays_when_a_filter_is_set(
    tab: Watched, pages: Mapping[str, str]
) -> None:
    page = tab.open(pages["full"], "health")
    region = page.get_by_role("region", name="Routes", exact=True)
    region.get_by_role("button", name="Sort by p95", exact=True).click()
    region.get_by_label("Search routes").fill("jobs")
    page.get_by_role("button", name="Table: Latency", exact=True).click()
    region.locator("tbody button").first.click()
    expect(page.locator("#chips button")).to_have_count(1)
    expect(region.locator("[aria-sort=descending]")).to_contain_text("p95")
    expect(region.get_by_label("Search routes")).to_have_value("jobs")
    assert all("jobs" in text for text in region.locator("tbody th").all_inner_texts())
    expect(page.get_by_role("group", name="Table: Latency", exact=True)).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Overview").click()
    page.get_by_role("navigation").get_by_role("link", name="API health").click()
    expect(region.get_by_label("Search routes")).to_have_value("")


@pytest.mark.parametrize("width", [320, 390, 640, 768])
@pytest.mark.parametrize("section", ["overview", "audience"])
def test_what_a_figure_says_of_itself_is_never_cut(
    tab: Watched, pages: Mapping[str, str], section: str, width: int
) -> None:
    tab.page.set_viewport_size({"width": width, "height": 844})
    page = tab.open(pages["full"], section)
    for box in page.locator("details.info").all():
        box.locator("summary").click()
        page.wait_for_function(INSIDE)
    assert page.locator("details.info").count() > 3


INSIDE = """() => {
  const { left, right } = document.querySelector("details.info[open] p").getBoundingClientRect();
  return left >= 0 && right <= document.documentElement.clientWidth;
}"""


@pytest.mark.parametrize("key", ["constructor", "__proto__", "x" * 4000])
def test_an_address_with_an_odd_key_shows_it_as_it_is_and_breaks_no_page(
    tab: Watched, pages: Mapping[str, str], key: str
) -> None:
    page = tab.open(pages["full"], f"overview?model={key}&state={key}")
    for chip in page.locator("#chips button").all_inner_texts():
        assert chip.split(": ")[1] == f"{key} ×"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_what_is_merged_is_compared_with_nothing(tab: Watched, pages: Mapping[str, str]) -> None:
    """It holds other cells in every window: its change would be one of membership."""
    found = 0
    for section in ("overview", "health", "sessions", "audience"):
        page = tab.open(pages["sparse"], f"{section}?days=7")
        for delta in page.locator(".bars [data-key='(other)'] .delta").all():
            assert (delta.text_content(), delta.get_attribute("title") or "") == ("", "")
            found += 1
    assert found


def test_four_weeks_before_a_longer_range_is_said_to_overlap(
    tab: Watched, pages: Mapping[str, str]
) -> None:
    page = tab.open(pages["full"], "overview?from=2026-10-05&to=2026-11-22&compare=four")
    expect(page.locator(".tile[data-metric=requests] .delta")).to_have_text(
        "Four weeks before overlaps the range"
    )


def test_bars_are_seen_in_a_readers_own_colours(tab: Watched, pages: Mapping[str, str]) -> None:
    tab.page.emulate_media(forced_colors="active")
    page = tab.open(pages["full"])
    bar, track = (colour(page, f"#rank-requests-plan .track{part}") for part in (" i", ""))
    assert bar != track
    tabs = [colour(page, f"nav a{which}", "outlineStyle") for which in ("[aria-current]", "")]
    assert tabs[0] == "solid"


def colour(page: Page, place: str, name: str = "backgroundColor") -> str:
    """A computed style of the first node of a kind."""
    return str(page.locator(place).first.evaluate(f"(one) => getComputedStyle(one).{name}"))


def test_no_cell_of_a_file_begins_a_line_or_a_formula(
    tab: Watched, pages: Mapping[str, str], tmp_path: Path
) -> None:
    page = Path(pages["full"].removeprefix("file://")).read_text("utf-8")
    odd = '"labels":{"plan":{"pro":"a\\r=1+1","free":"=2+2","team":"+3\\"x"},'
    changed = tmp_path / "index.html"
    given = '"title":"Usage",'
    changed.write_text(page.replace(f'{given}"labels":{{', given + odd, 1), "utf-8")
    opened = tab.open(changed.as_uri())
    with opened.expect_download() as download:
        opened.get_by_role("button", name="CSV: Requests by plan").click()
    text = Path(download.value.path()).read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {row[0] for row in rows} >= {"a\r=1+1", "'=2+2", "'+3\"x"}
    assert len({len(row) for row in rows}) == 1
