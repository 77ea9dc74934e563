"""The questions of docs/dashboard.md, answered by their clicks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.rules.sources import ROOT

TEXT = (ROOT / "docs" / "dashboard.md").read_text("utf-8")
ROW = re.compile(r"^\| (?P<question>[^|]+\?) \| (?P<clicks>[^|]+) \| (?P<card>[^|]+) \|$", re.M)
QUESTIONS = [(row["question"], row["clicks"], row["card"]) for row in ROW.finditer(TEXT)]
MOST_CLICKS = 3


def take(page: Page, step: str) -> None:
    """Do what one step says, as a person would."""
    verb, _, rest = step.partition(" ")
    if verb == "tab":
        page.get_by_role("navigation").get_by_role("link", name=rest, exact=True).click()
    elif verb == "compare":
        page.get_by_label("Compare with").select_option(label=rest)
    elif verb == "tile":
        page.locator(".tile").get_by_role("link", name=rest, exact=True).click()
    elif verb == "row":
        region = page.get_by_role("region", name=rest.removeprefix("of "), exact=True)
        region.locator(".bars button").first.click()
    elif verb == "sort":
        name, column = rest.split(" by ")
        region = page.get_by_role("region", name=name, exact=True)
        region.get_by_role("button", name=f"Sort by {column}", exact=True).click()
    else:
        assert rest == "days", step
        page.get_by_role("button", name=verb, exact=True).click()


def test_there_are_ten_questions_of_each() -> None:
    manager, engineer = TEXT.split("A product manager asks:")[1].split("An on-call engineer asks:")
    assert len(ROW.findall(manager)) == len(ROW.findall(engineer)) == 10


@pytest.mark.parametrize(("question", "clicks", "answer"), QUESTIONS)
def test_a_question_is_answered_within_three_clicks(
    tab: Watched, pages: Mapping[str, str], question: str, clicks: str, answer: str
) -> None:
    page = tab.open(pages["full"])
    steps = [] if clicks == "-" else clicks.split(", ")
    assert len(steps) <= MOST_CLICKS, question
    for step in steps:
        take(page, step)
    region = page.get_by_role("region", name=answer, exact=True)
    expect(region).to_be_visible()
    expect(region.locator(".empty")).to_have_count(0)
    figures = region.locator("canvas, .bars li, td, .unusual a, a")
    expect(figures.first).to_be_visible()


def test_the_route_table_is_sorted_searched_and_ends_with_other(
    tab: Watched, pages: Mapping[str, str]
) -> None:
    page = tab.open(pages["full"], "health")
    region = page.get_by_role("region", name="Routes", exact=True)
    routes = region.locator("tbody tr")

    def column(at: int) -> list[str]:
        return routes.evaluate_all(f"all => all.map((one) => one.cells[{at}].textContent)")

    first = column(0)
    assert first[-1] == "Other, merged" or "Other, merged" not in first
    region.get_by_role("button", name="Sort by Route", exact=True).click()
    names = [name for name in column(0) if name != "Other, merged"]
    assert names == sorted(names)
    assert sorted(column(0)) == sorted(first)
    region.get_by_label("Search routes").fill(names[-1])
    assert all(names[-1] in name for name in column(0))
    assert 0 < len(column(0)) < len(first)


def test_a_tile_leads_to_its_chart_by_key(tab: Watched, pages: Mapping[str, str]) -> None:
    page = tab.open(pages["full"])
    page.locator(".tile", has_text="Latency, p95").get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h2#title")).to_have_text("API health")
    expect(page.locator("#trend-latency")).to_be_focused()
    expect(page.locator("#trend-latency")).to_be_in_viewport()


def test_the_link_that_is_copied_is_the_view(tab: Watched, pages: Mapping[str, str]) -> None:
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = tab.open(pages["full"], "health?days=7&compare=four")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#copied")).to_have_text("Link copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


@pytest.mark.parametrize("section", ["overview", "health", "audience", "quality"])
def test_nothing_is_cut_on_a4(tab: Watched, pages: Mapping[str, str], section: str) -> None:
    page = tab.open(pages["full"], section)
    expect(page.locator(".plot canvas")).to_have_count(page.locator(".plot").count())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1040})
    page.wait_for_function(
        "() => [...document.querySelectorAll('.plot')].every((one) => !one.clientWidth"
        " || Math.abs(one.querySelector('canvas').clientWidth - one.clientWidth) < 2)"
    )
    cut = page.evaluate(
        "() => [...document.querySelectorAll('.plot canvas, .row, table, .tile, .card')]"
        ".filter((one) => one.getClientRects().length)"
        ".filter((one) => one.getBoundingClientRect().right > 701)"
        ".map((one) => one.className || one.tagName)"
    )
    assert cut == []
    expect(page.locator("#printed")).to_contain_text(page.url)
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_on_a_phone_filters_fold_and_the_map_keeps_its_proportions(
    tab: Watched, pages: Mapping[str, str]
) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    page = tab.open(pages["full"], "audience")
    expect(page.locator("#bar")).to_be_hidden()
    page.locator("#fold summary").click()
    expect(page.locator("#bar")).to_be_visible()
    box = page.locator(".plot.map").bounding_box()
    assert box
    assert 1.9 < box["width"] / box["height"] < 2.1
