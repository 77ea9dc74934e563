"""The page in a real browser: accessible, quick, quiet, and honest when there is little to show."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from pipeline.dashboard.annotations import Annotation
from pipeline.dashboard.data import day_number
from pipeline.dashboard.page import with_notice
from pipeline.dashboard.site import Published, build
from tests.browser.conftest import Watched
from tests.dashboards import NOW, commit, published, rolled_up, site

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
SECTIONS = ["overview", "health", "sessions", "adoption", "audience", "quality", "definitions"]
MISCHIEF = (Path(__file__).parent / "mischief.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


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
        "Fewer than 20 accounts"
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


def test_what_is_in_sight_is_drawn_first(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"], "health")
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('.plot')].map((plot) => [
            plot.getBoundingClientRect().top < innerHeight, plot.querySelector('canvas') !== null
        ])"""
    )
    assert len(drawn) > 2
    assert all(there for in_sight, there in drawn if in_sight)
    expect(page.locator(".plot:not(:has(canvas))")).to_have_count(0)


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
    words = page.locator("#tiles .tile p.delta").all_inner_texts()
    assert any(text.startswith(("▲ +", "▼ −")) for text in words)
    known = ("▲ +", "▼ −", "= about", "≈ within the noise", "No earlier")
    assert all(text.startswith(known) for text in words)


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
    assert rows[0] == ["day", "Requests", "±", "Before"]
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
    page.get_by_role("navigation").get_by_role("link", name="Sessions").click()
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


@pytest.mark.parametrize("slower", [1, 8])
def test_haste_on_a_slow_machine_makes_no_error(
    tab: Watched, pages: dict[str, str], slower: int
) -> None:
    page = tab.open(pages["full"])
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.evaluate(MISCHIEF, [slower * 7919, 60 if slower == 1 else 25])
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(media="print")
    page.emulate_media(media="screen", color_scheme="dark")
    page.set_viewport_size({"width": 1280, "height": 900})
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    plots, canvases = page.locator(".plot"), page.locator(".plot canvas")
    expect(canvases).to_have_count(plots.count())
    for plot, canvas in zip(plots.all(), canvases.all(), strict=True):
        assert canvas.evaluate("node => node.clientWidth") == plot.evaluate(
            "node => node.clientWidth"
        )


def test_an_odd_address_is_clamped_to_the_days_there_are(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["full"], "overview?from=-271821-04-20&to=2999-01-01")
    expect(page.get_by_label("From", exact=True)).to_have_value("2026-09-21")
    expect(page.get_by_label("To", exact=True)).to_have_value("2026-11-22")


def test_the_border_of_a_key_period_is_marked_on_charts_of_people_alone(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["full"])
    border, marks = "new key period on 2 Nov", ("incident on 9 Nov", "release on 16 Nov")
    people = {"active_day", "active_week", "retention_week"}
    for chart in page.locator("[data-kind=trend], [data-kind=stack]").all():
        metric = chart.get_attribute("data-metric")
        words = chart.locator(".plot").get_attribute("aria-label") or ""
        if metric == "lifecycle":  # published only whole: here in weeks of one key period alone
            continue
        assert (border in words) == (metric in people), metric
        assert metric == "active_period" or all(mark in words for mark in marks)


WEEKLY_STACKS = [
    ("overview", "requests", "model"),
    ("health", "top_errors", "error_code"),
    ("sessions", "end_reasons", "end_reason"),
    ("adoption", "feature_uses", "feature"),
]


def spelled(by: str, key: str) -> str:
    """How the page spells a key of a dimension."""
    return key if by == "model" else key.replace("_", " ").capitalize()


def test_a_hidden_cell_is_hidden_in_table_and_csv_and_never_zero(
    tab: Watched, pages: dict[str, str]
) -> None:
    seen = set()
    for section, metric, by in WEEKLY_STACKS:
        page = tab.open(pages["sparse"], section)
        data = json.loads(page.locator("#data").text_content() or "")
        cube = data["tables"].get(f"{metric}|week|{by}", {"keys": [], "at": []})
        card = page.locator(f".card[data-metric={metric}][data-kind=stack]")
        if not cube["keys"] or not card.get_by_role("button", name="CSV").count():
            continue
        with page.expect_download() as download:
            card.get_by_role("button", name="CSV").click()
        head, *rows = csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8")))
        card.get_by_role("button", name="Table").click()
        shown = [row.locator("td").all_inner_texts() for row in card.locator("tbody tr").all()]
        names = {spelled(by, key): key for [key] in cube["keys"]}
        for name in set(head) & set(names):
            column, line = head.index(name), cube["value"][cube["keys"].index([names[name]])]
            held = dict(zip(cube["at"], line, strict=True))
            for values, cells in zip(rows, shown, strict=True):
                number = held.get(day_number(date.fromisoformat(values[0])))
                assert values[column] == ("<20 accounts" if number is None else str(number))
                assert cells[column] == ("<20 accounts" if number is None else f"{number:,}")
                seen.add(number is None)
    assert seen == {True, False}


def test_a_ratio_known_as_a_limit_is_shown_as_the_limit_and_never_as_zero(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["sparse"], "health")
    data = json.loads(page.locator("#data").text_content() or "")
    limited = 0
    for metric in ("http_5xx_rate", "http_4xx_rate", "throttled_rate"):
        cube = data["tables"].get(f"{metric}|day|", {})
        limits = [value for value in cube.get("under", [[]])[0][-28:] if value is not None]
        card = page.locator(f".card[data-metric={metric}][data-kind=trend]")
        if limits:
            limited += 1
            expect(card).to_contain_text("only a limit is published")
            expect(card).to_contain_text(f"under {max(limits):.0%}")
        if card.get_by_role("button", name="Table").count():
            card.get_by_role("button", name="Table").click()
            assert "0%" not in card.locator("tbody td").all_inner_texts()
    assert limited


def test_a_chart_that_is_published_by_week_says_so(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"])
    for name in ("Requests by model", "Active accounts, week", "Requests by plan"):
        note = page.get_by_role("region", name=name).locator(".note")
        expect(note).to_contain_text("4 whole weeks · 26 Oct – Sun, 22 Nov 2026")


def test_a_tile_says_what_is_uncertain_about_its_number(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["full"], "sessions")
    expect(page.locator(".tile[data-metric=session_minutes]")).to_contain_text(
        "At least: durations are stored as the lower edge"
    )


def test_an_open_day_is_said_to_be_open(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"], "quality")
    for metric in ("completeness", "rejected"):
        chart = page.locator(f".card[data-metric={metric}]:not([data-kind=daily])")
        expect(chart.locator(".note")).to_contain_text("Hatched: the day is still open")
        expect(page.locator(f".tile[data-metric={metric}]")).to_contain_text("the last still open")


def test_an_open_day_is_compared_with_nothing(tab: Watched, tmp_path: Path) -> None:
    today = replace(commit(3), read=5000, rejected={"not_json": 4010})
    daily = [today, *(commit(3 + 24 * day) for day in range(1, 60))]
    page = tmp_path / "index.html"
    page.write_text(
        site(rolled_up(tmp_path / "lake", 60, 6_000, 300, daily))["index.html"], "utf-8"
    )
    tile = tab.open(page.as_uri(), "quality").locator(".tile[data-metric=rejected]")
    expect(tile).to_contain_text("the last still open")
    expect(tile.locator(".delta")).to_have_text("= about the same")


def test_the_quality_page_says_what_it_has_to(tab: Watched, pages: dict[str, str]) -> None:
    page = tab.open(pages["full"], "quality")
    facts = page.get_by_role("region", name="Freshness and promises")
    for term in ("Newest commit", "Published", "Oldest event day", "Last expiry run"):
        expect(facts).to_contain_text(term)
    expect(page.get_by_role("group", name="Share hidden, by table")).to_contain_text(" of ")
    expect(page.locator(".tile[data-metric=completeness] .number")).to_have_text("100%")
    expect(page.locator("#credit")).to_have_text("Countries: demo data. Map: Natural Earth.")
    page.get_by_role("link", name="Overview").click()
    expect(facts).to_be_hidden()


def test_a_field_that_no_event_carries_is_not_collected(tab: Watched, tmp_path: Path) -> None:
    found = published(rolled_up(tmp_path, 3, 6_000, 300))
    collected = [name for name in found.manifest["collected"] if name != "api_request.queue_ms"]
    files = build(Published(found.tables, {**found.manifest, "collected": collected}), [], NOW)
    (tmp_path / "index.html").write_text(files["index.html"], "utf-8")
    page = tab.open((tmp_path / "index.html").as_uri(), "health")
    expect(page.locator("[data-metric=queue_time]")).to_contain_text("Not collected")
    expect(page.locator("[data-metric=latency][data-kind=trend] canvas")).to_be_visible()
    expect(page.locator("#definitions, [data-page=definitions]")).to_be_hidden()


def test_periods_that_are_not_whole_yet_say_what_to_wait_for(
    tab: Watched, pages: dict[str, str]
) -> None:
    page = tab.open(pages["one_day"])
    chart = page.locator("[data-metric=active_period]")
    expect(chart).to_contain_text("No whole key period yet")
    expect(chart.locator("code")).to_have_text("telemetry rollup")


def test_the_notice_of_a_failed_build_stands_above_the_last_good_figures(
    tab: Watched, pages: dict[str, str], tmp_path: Path
) -> None:
    good = Path(unquote(urlsplit(pages["full"]).path)).read_text("utf-8")
    noted = with_notice(good, "The last build failed.")
    assert noted
    (tmp_path / "index.html").write_text(noted, "utf-8")
    page = tab.open((tmp_path / "index.html").as_uri())
    expect(page.locator("#banner p.stop")).to_have_text("The last build failed.")
    assert page.locator("#tiles [data-value]").count() == 6


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


def test_an_open_page_of_a_server_follows_the_figures(tab: Watched, tmp_path: Path) -> None:
    import threading

    from pipeline.dashboard.serve import SiteServer
    from pipeline.dashboard.site import Site

    found, state = published(rolled_up(tmp_path, 1, 3_000, 400)), {"stamp": 1}
    marks = [Annotation(date(2026, 11, 22), "note", "moved")]
    site = Site(
        lambda: found,
        lambda: state["stamp"],
        lambda: marks if state["stamp"] == 2 else [],
        lambda: NOW,
    )
    with SiteServer(site.files, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        tab.page.goto(server.url)
        expect(tab.page.locator("canvas").first).to_be_visible()
        plot = tab.page.locator("[data-metric=requests][data-kind=trend] .plot")
        assert "moved" not in (plot.get_attribute("aria-label") or "")
        state["stamp"] = 2
        expect(plot).to_have_attribute("aria-label", re.compile("moved"), timeout=60_000)
        tab.page.goto("about:blank")
        server.shutdown()
        thread.join()
    assert all(url.startswith((server.url, "about:")) for url in tab.requests)
    tab.requests.clear()
