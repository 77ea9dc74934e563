"""The report of an audit in a real browser: accessible in both themes, on paper and on a phone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.ops.audit.audit import Observation, Proof, Report, Result, Verdict, broken
from pipeline.ops.audit.checks import CHECKS, packaged_promises
from pipeline.ops.audit.report_page import page
from tests.browser.conftest import Watched
from tests.browser.test_dashboard import axe


def report() -> Report:
    """A report with every kind of outcome in it, and evidence that is markup."""
    verdicts = list(Verdict)
    proofs = []
    for number, promise in enumerate(packaged_promises()):
        results = tuple(
            Result(CHECKS[name], Observation(verdicts[number % 3], "what was seen"))
            for name in promise.checks
        )
        proofs.append(Proof(promise, results))
    evil = broken("<b>seen</b>", ["<script>document.title = 'x'</script>", "a/" * 200])
    first = proofs[0]
    proofs[0] = Proof(first.promise, (Result(first.results[0].check, evil),))
    return Report("/lake", datetime(2026, 11, 24, tzinfo=UTC), tuple(proofs), "f" * 64)


@pytest.fixture
def address(tmp_path: Path) -> str:
    path = tmp_path / "report.html"
    path.write_text(page(report(), "1.0"), "utf-8")
    return path.as_uri()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_for_axe_to_find(tab: Watched, address: str, theme: Any) -> None:
    tab.page.emulate_media(color_scheme=theme)
    tab.page.goto(address)
    assert axe(tab.page) == []


def test_a_phone_scrolls_down_only(tab: Watched, address: str) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 844})
    tab.page.goto(address)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_evidence_is_text(tab: Watched, address: str) -> None:
    tab.page.goto(address)
    assert tab.page.title() == "Privacy audit of 2026-11-24"
    assert tab.page.locator("main script, main b").count() == 0
    assert tab.page.get_by_text("<script>").count() == 1
