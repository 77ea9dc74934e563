"""What the page shows, tile by tile and row by row, against SQL over the same rows and weeks.

The data block is compared with the rows elsewhere (`tests/unit/dashboard/test_figures.py`, the same
queries); here it is what the script makes of it for a range: totals, breakdowns, means, shares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Watched
from tests.dashboards import REGISTRY, rolled_up, site
from tests.lake_rows import SCHEMAS
from tests.unit.dashboard.test_figures import FIGURES, VIEWS, all_shown, cut_rows, least_of, most_of

Cell = tuple[date, tuple[str, ...]]
RANGES = ["days=7", "days=28", "days=90", "from=2026-10-12&to=2026-10-28"]
PAGES = ["overview", "health", "sessions", "adoption", "audience", "quality"]
SPAN = {"day": 1, "week": 7, "period": 28}
READ = """() => {
  document.querySelectorAll(".tools button[aria-expanded=false]").forEach((one) => one.click());
  const cell = (one) => [one.dataset.value ?? null, one.textContent];
  return {
    tiles: [...document.querySelectorAll(".tile[data-first]")].map((one) => ({ ...one.dataset,
      ...one.querySelector(".number").dataset })),
    cards: [...document.querySelectorAll(".card[data-first]")].map((card) => {
      const table = card.lastElementChild.querySelector("table");
      const head = (one) => [one.dataset.key ?? null, one.textContent];
      return { ...card.dataset, heads: [...table.tHead.rows[0].cells].map(head),
        rows: [...table.tBodies[0].rows]
          .map((row) => [row.dataset.key ?? null, [...row.cells].map(cell)]) };
    }),
  };
}"""  # fmt: skip


@dataclass
class Lake:
    """The rows, the page that was made of them, and what was asked of the rows so far."""

    rows: duckdb.DuckDBPyConnection
    address: str
    tables: Mapping[str, Any]
    known: dict[tuple[str, str], dict[Cell, Any]] = field(default_factory=dict)

    def truth(self, metric: str, grain: str, cut: str, measure: str) -> dict[Cell, Any]:
        """Of each window and cell: value and denominator, or the quantile."""
        place = (f"{metric}|{grain}|{cut}", measure)
        if place not in self.known:
            figure, cube = FIGURES[metric], self.tables[place[0]]
            source = cut_rows(self.rows, figure, grain, cut, all_shown(cube))
            value = f"{figure.value}, {figure.over or 'NULL'}"
            if figure.quantile_of:
                value = f"quantile_disc({figure.quantile_of}, {int(measure[1:]) / 100}), NULL"
            found = self.rows.execute(f"SELECT w, k, {value} FROM {source} GROUP BY w, k")
            self.known[place] = {(w, tuple(k)): (a, b) for w, k, a, b in found.fetchall()}
        return self.known[place]

    def shown(self, metric: str, grain: str, cut: str, measure: str) -> set[Cell]:
        """The cells of which the page has a number, or a limit, in each window."""
        cube = self.tables.get(f"{metric}|{grain}|{cut}")
        if cube is None:
            return set()
        names = [measure] if FIGURES[metric].quantile_of else ["value", "denominator"]
        return {
            (date(1970, 1, 1) + timedelta(days=day), tuple(key))
            for name in names
            for row, key in enumerate(cube["keys"])
            for column, day in enumerate(cube["at"])
            if name in cube and cube[name][row][column] is not None
        }

    def expected(self, one: Mapping[str, str], key: tuple[str, ...], measure: str) -> float | None:
        """What SQL says of a cell over a range, for the windows in which it is shown."""
        metric, grain, cut = one["metric"], one["grain"], one["cut"]
        first, last = (date(1970, 1, 1) + timedelta(days=int(one[n])) for n in ("first", "last"))
        true = self.truth(metric, grain, cut, measure)
        windows = sorted(
            w for w, k in self.shown(metric, grain, cut, measure) if k == key and first <= w <= last
        )
        parts = [true[w, key] for w in windows]
        if not parts:
            return None
        kind = REGISTRY.metrics[metric].kind.value
        if kind == "percentiles":
            return float(sorted(a for a, _ in parts)[(len(parts) - 1) // 2])
        if FIGURES[metric].over or kind == "per_account":
            return sum(float(a or 0) for a, _ in parts) / sum(float(b) for _, b in parts)
        added = sum(float(a or 0) for a, _ in parts)
        return added / len(parts) if kind == "accounts" else added


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("numbers")
    page = site(rolled_up(folder / "lake", 63, 90_000, 1500))["index.html"]
    (folder / "index.html").write_text(page, "utf-8")
    block = page.split('<script type="application/json" id="data">')[1].split("</script>")[0]
    with duckdb.connect() as rows:
        for event in SCHEMAS:
            glob = f"{folder}/lake/events/{event}/event_date=*/*.parquet"
            rows.execute(
                f"CREATE TABLE {event} AS FROM read_parquet('{glob}',"
                " hive_partitioning = true, hive_types = {'event_date': DATE})"
            )
        rows.execute(VIEWS)
        yield Lake(rows, (folder / "index.html").as_uri(), json.loads(block)["tables"])


@pytest.fixture(scope="module")
def pages(browser: Browser, lake: Lake) -> Iterator[Mapping[tuple[str, str], Any]]:
    """All that each page shows for each range."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched, found = Watched(context.new_page()), {}
    for section in PAGES:
        for words in RANGES:
            page: Page = watched.open(lake.address, f"{section}?{words}")
            found[section, words] = page.evaluate(READ)
    yield found
    context.close()
    assert watched.troubles == []


def within(metric: str, value: float, true: float, noise: float) -> bool:
    """Within the stated error: twice a standard deviation is said, thrice is let pass.

    Of a percentile the rows know the bucket alone.
    """
    column = FIGURES[metric].quantile_of
    low, high = (least_of(column, true), most_of(column, true)) if column else (true, true)
    room = 1.5 * noise + 1e-9 + 1e-6 * abs(true)
    return low - room <= value <= high + room


@pytest.mark.parametrize("words", RANGES)
def test_every_tile_is_within_its_stated_error_of_sql(
    lake: Lake, pages: Mapping[tuple[str, str], Any], words: str
) -> None:
    compared = set()
    for section in PAGES:
        for tile in pages[section, words]["tiles"]:
            metric, _, measure = tile["metric"].partition(" ")
            if metric not in FIGURES:
                continue  # The pipeline counts it itself.
            one = {**tile, "metric": metric, "cut": ""}
            true = lake.expected(one, (), measure or "value")
            assert true is not None
            number, noise = float(tile["value"]), float(tile["noise"])
            assert within(metric, number, true, noise), (tile, true)
            compared.add(tile["metric"])
    assert len(compared) >= 12


ROWS = {"rank", "map", "funnel", "routes", "heat", "ladder"}
COLUMNS = {"stack", "cohort"}


@pytest.mark.parametrize("words", RANGES)
def test_every_row_of_a_breakdown_is_within_its_stated_error_of_sql(
    lake: Lake, pages: Mapping[tuple[str, str], Any], words: str
) -> None:
    compared = 0
    for section in PAGES:
        for card in pages[section, words]["cards"]:
            if card["kind"] not in ROWS or card["metric"] not in FIGURES:
                continue
            heads = [text for _, text in card["heads"]]
            for metric, measure, at in measured(card, heads):
                seen = set()
                for key, cells in card["rows"]:
                    value, noise = cells[at][0], cells[at + 1][0]
                    seen.add(key)
                    if value is None:
                        assert metric != card["metric"] or cells[at][1].startswith(
                            ("under", "over")
                        )
                        continue
                    whole = tuple(key.split(",")) if "," in card["cut"] else (key,)
                    true = lake.expected({**card, "metric": metric}, whole, measure)
                    assert true is not None, (card["metric"], key)
                    told = (metric, measure, key, value, true)
                    assert within(metric, float(value), true, float(noise)), told
                    compared += 1
                if metric == card["metric"] and card["kind"] not in ("map", "ladder", "funnel"):
                    assert seen == wanted(lake, card, measure), (
                        section,
                        card["metric"],
                        card["cut"],
                    )
    assert compared > 100


def measured(card: Mapping[str, Any], heads: list[str]) -> list[tuple[str, str, int]]:
    """Which figures a table of rows has: metric, measure, column; the error is in the next."""
    if card["kind"] == "routes":
        metrics = ("requests", "http_5xx_rate", "latency", "latency")
        measures = ("value", "value", "p50", "p95")
        return list(zip(metrics, measures, (1, 3, 5, 7), strict=True))
    at = heads.index("±") - 1
    name = heads[at].lower()
    return [(card["metric"], name if name[1:].isdigit() else "value", at)]


def wanted(lake: Lake, card: Mapping[str, str], measure: str) -> set[str]:
    """Every cell that is published in any of the range's windows, but for one that is left out."""
    first, last = (date(1970, 1, 1) + timedelta(days=int(card[n])) for n in ("first", "last"))
    cells = lake.shown(card["metric"], card["grain"], card["cut"], measure)
    left_out = {"(none)"} if card["metric"] == "feature_adoption" else set()
    return {",".join(k) for w, k in cells if first <= w <= last} - left_out


@pytest.mark.parametrize("words", RANGES)
def test_every_bar_of_a_week_is_within_its_error_of_sql(
    lake: Lake, pages: Mapping[tuple[str, str], Any], words: str
) -> None:
    compared = 0
    for section in PAGES:
        for card in pages[section, words]["cards"]:
            if card["kind"] not in COLUMNS or card["metric"] not in FIGURES:
                continue
            cube = lake.tables[f"{card['metric']}|{card['grain']}|{card['cut']}"]
            true = lake.truth(card["metric"], card["grain"], card["cut"], "value")
            for _, cells in card["rows"]:
                start = date.fromisoformat(cells[0][1])
                for (key, _), (value, _) in zip(card["heads"], cells, strict=True):
                    if key is None or value is None:
                        continue
                    above, below = true[start, (key,)]
                    exact = float(above or 0) / float(below) if below else float(above)
                    column = cube["at"].index((start - date(1970, 1, 1)).days)
                    error = cube["error"][cube["keys"].index([key])][column] or 0.0
                    assert abs(float(value) - exact) <= 4 * error * 1.5 + 0.01, (card, key, start)
                    compared += 1
    assert compared > 50
