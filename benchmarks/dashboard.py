"""The dashboard's page in Chromium: bytes, first chart, a page change, a filter.

The page is built of an invented lake of 90 sealed days (`benchmarks.rollup` makes the same one); it
holds published cells, so its weight follows what is published and not how many rows there were.
Times are what the browser's own clock says: the first chart since the navigation began, a change
since the address changed until what is in sight is drawn. The aims are 0.6 s, 0.2 s and 1.5 MB.

    python -m benchmarks.dashboard [--keep FOLDER] [--requests 5000000]
    python -m benchmarks.run dashboard
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from benchmarks.harness import Report
from benchmarks.rollup import LAST, publish, stored
from pipeline.dashboard.site import build
from pipeline.io.lake.publications import RollupStore
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.dashboards import published
from tests.lake_rows import World, write_lake

DAYS, ACCOUNTS = 90, 12_000
SECTIONS = ("health", "sessions", "adoption", "audience", "quality", "definitions", "overview")
FILTERS = ("model=v2v-turbo", "model=v2v-large", "model=v2v-lite")
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def run(events: int, times: int) -> Report:
    """Build the page of `events` requests, five times as many as given, and open it."""
    with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
        return measured(Path(folder), 5 * events, max(times, 3))


def measured(root: Path, requests: int, times: int) -> Report:
    """Make the lake if it is not there, publish it, build the page, and open it `times` times."""
    if not (root / "events").is_dir():
        world = World(LAST - timedelta(days=DAYS - 1), DAYS, requests, ACCOUNTS, sealed=True)
        write_lake(root, world)
    publish(root, stored(root), LAST)
    now = datetime(LAST.year, LAST.month, LAST.day, 12, tzinfo=UTC) + timedelta(days=1)
    page = root / "index.html"
    page.write_text(build(published(RollupStore(str(root))), [], now)["index.html"], "utf-8")
    seen: dict[str, dict[str, list[float]]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for size, (width, height) in SIZES.items():
            for _ in range(times):
                context = browser.new_context(viewport={"width": width, "height": height})
                for name, value in opened(context.new_page(), page.as_uri()).items():
                    seen.setdefault(name, {}).setdefault(size, []).append(value)
                context.close()
        browser.close()
    size_mb = page.stat().st_size / 1e6
    lines = [
        "| milliseconds | least | median | most | phone, median |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, by_size in seen.items():
        desk = by_size["desktop"]
        figures = (min(desk), median(desk), max(desk), median(by_size["phone"]))
        lines.append(f"| {name} | " + " | ".join(f"{value:.0f}" for value in figures) + " |")
    text = f"{DAYS} days, {requests:,} requests, page of {size_mb:.2f} MB.\n\n" + "\n".join(lines)
    return Report("Dashboard", text, {"page_mb": size_mb, "milliseconds": seen})


def opened(page: Page, address: str) -> dict[str, float]:
    """Milliseconds of the first chart, the slowest change of page and the slowest filter."""
    page.goto(address)
    page.wait_for_selector("html[data-drawn]")
    first = page.evaluate("performance.getEntriesByName('chart')[0].startTime")
    sections = [changed(page, section) for section in SECTIONS]
    filters = [changed(page, f"overview?{words}") for words in FILTERS]
    return {
        "first chart": first,
        "slowest change of page": max(sections),
        "slowest filter": max(filters),
    }


def changed(page: Page, words: str) -> float:
    """Milliseconds from another address of the page to two frames after it was drawn."""
    return float(
        page.evaluate(
            """async (words) => {
                const root = document.documentElement;
                delete root.dataset.drawn;
                const began = performance.now();
                location.hash = words;
                const frame = () => new Promise((done) => requestAnimationFrame(done));
                while (!root.dataset.drawn) await frame();
                await frame();
                return performance.now() - began;
            }""",
            words,
        )
    )


def main() -> int:
    """Measure what the words say."""
    parser = argparse.ArgumentParser(description="Measure the dashboard's page in Chromium.")
    parser.add_argument("--requests", type=int, default=5_000_000, help="in all days together")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument(
        "--keep", type=Path, help="a lake of benchmarks.rollup, made if it is empty"
    )
    words = parser.parse_args()
    if words.keep is not None:
        report = measured(words.keep, words.requests, words.times)
    else:
        with tempfile.TemporaryDirectory(prefix="dashboard-") as folder:
            report = measured(Path(folder), words.requests, words.times)
    print(f"## {report.title}\n\n{report.text}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
