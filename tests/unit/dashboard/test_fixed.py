"""The parts of the page that no choice changes: every text is escaped, every fact is dated."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from pipeline.dashboard.fixed import ERRORS, PERTURBED, facts, fixed_parts
from pipeline.privacy.figures.ptable import BOUND, ROWS, WHOLE
from tests.rules.sources import ROOT

METRIC = {
    "name": "requests",
    "title": "Requests <b>",
    "sentence": "All & everything.",
    "page": "overview",
    "population": "asked",
    "kind": "ratio",
    "unit": "ratio",
    "good": "up",
    "tables": "by region",
    "collected": True,
    "caveat": "",
    "measure": "count(*)",
    "denominator": "n > 1",
}


def data(**given: Any) -> dict[str, Any]:
    return {
        "metrics": [METRIC],
        "layout": {"names": {"region": "Region"}, "page": [{"name": "overview", "title": "One"}]},
        "hidden": {},
        "status": {},
        "rolled_up_at": None,
        "rule": {"accounts": 20, "share": 0.8},
        **given,
    }


def told(**given: Any) -> dict[str, str]:
    return dict(facts(data(**given)))


def test_a_lake_that_was_never_rolled_up_has_the_facts_that_always_hold() -> None:
    assert told() == {
        "Last expiry run": "none yet; a day is due 89 days after it",
        "Smallest group": "20 accounts; none over 80% of a cell",
        "Perturbation": PERTURBED,
    }


@pytest.mark.parametrize(
    ("oldest", "said"),
    [
        ("2026-08-26", "2026-08-26, 89 days old: within the 90 days promised"),
        ("2026-08-25", "2026-08-25, 90 days old: OVER the 90 days promised"),
    ],
)
def test_the_oldest_day_is_held_against_the_promise(oldest: str, said: str) -> None:
    found = told(status={"oldest_day": oldest}, rolled_up_at="2026-11-23T12:00:00+00:00")
    assert (found["Oldest event day"], found["Published"]) == (said, "2026-11-23 12:00 UTC")


def test_keys_and_countries_are_told_where_they_are_known() -> None:
    geo = {"type": "Demo", "built": "2026-11-01", "credit": ""}
    found = told(status={"epochs_live": 2, "epochs_destroyed": 1, "geo": geo})
    assert found["Key periods"] == "2 live, 1 with their keys destroyed"
    assert found["Country database"] == "Demo, 2026-11-01"


def test_texts_of_the_registry_are_escaped() -> None:
    parts = fixed_parts(data(), {"populations": {"asked": {"sql": "a < b", "sentence": "x & y"}}})
    assert "Requests &lt;b&gt;" in parts
    assert "<b>" not in parts
    assert "a &lt; b\n\nmeasure: count(*)\nover: n &gt; 1" in parts
    assert "in per cent · higher is better · by region" in parts


def test_hidden_shares_stand_largest_first_by_the_words_of_the_layout() -> None:
    hidden = {"requests|region": [0.1], "other|region": [0.25]}
    parts = fixed_parts(data(hidden=hidden), {})
    assert parts.index("<td>25%</td>") < parts.index("<td>10%</td>")
    assert "<td>Requests &lt;b&gt;</td><td>region</td>" in parts
    assert "Nothing hidden" not in parts
    assert "Nothing hidden" in fixed_parts(data(), {})


def test_what_is_not_collected_is_said_at_its_definition() -> None:
    metric = {**METRIC, "collected": False, "caveat": "With a <caveat>."}
    parts = fixed_parts(data(metrics=[metric]), {})
    assert "not collected" in parts
    assert "With a &lt;caveat&gt;." in parts


def within(size: int, part: Fraction) -> int:
    """The least distance that a count of this many accounts keeps in such a part of all cells."""
    weights = ROWS[min(size - 20, BOUND)]
    return next(
        most
        for most in range(BOUND + 1)
        if Fraction(sum(w for at, w in enumerate(weights) if abs(at - BOUND) <= most), WHOLE)
        >= part
    )


@pytest.mark.parametrize(("size", "half", "most"), ERRORS)
def test_errors_follow_from_the_table_of_noise(size: int, half: int, most: int) -> None:
    assert (within(size, Fraction(1, 2)), within(size, Fraction(99, 100))) == (half, most)


def test_the_page_and_the_documentation_show_the_same_errors() -> None:
    page = fixed_parts(data(), {})
    documented = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    for size, *numbers in ERRORS:
        cells = [f"{size:,}", *(f"{one} ({one / size:.1%})" if one else "0" for one in numbers)]
        assert "".join(f"<td>{cell}</td>" for cell in cells) in page
        assert f"| {' | '.join(cells)} |" in documented
