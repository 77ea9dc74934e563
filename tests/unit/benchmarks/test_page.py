"""The page of the benchmarks: verdicts, missing figures, escaped texts, no request."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmarks.file_to_lake import BEAM, DUCKDB, FALLBACK, OURS, POLARS
from benchmarks.page import page, section
from benchmarks.run import BENCHMARKS, LONG
from benchmarks.targets import TARGETS, Target, Verdict, found


def target(floor: float | None, aim: float | None, *, more: bool) -> Target:
    return Target("speed", "stages", "x", floor, aim, more, lambda all_: float(all_["stages"]["a"]))


@pytest.mark.parametrize(
    ("floor", "aim", "more", "value", "verdict"),
    [
        (2, 3, True, 1.99, Verdict.FAILED),
        (2, 3, True, 2.0, Verdict.MET),
        (2, 3, True, 3.0, Verdict.AIMED),
        (2, 3, True, None, Verdict.MISSING),
        (3, 2, False, 3.01, Verdict.FAILED),
        (3, 2, False, 3.0, Verdict.MET),
        (3, 2, False, 2.0, Verdict.AIMED),
        (None, 400, True, 399, Verdict.SHORT),
        (None, 400, True, 400, Verdict.AIMED),
        (30, None, True, 29, Verdict.FAILED),
        (30, None, True, 300, Verdict.MET),
    ],
)
def test_a_figure_is_judged_by_floor_and_aim(
    floor: float | None, aim: float | None, more: bool, value: float | None, verdict: Verdict
) -> None:
    assert target(floor, aim, more=more).verdict(value) is verdict


def run(name: str, rate: float, **more: float) -> dict[str, Any]:
    return {"name": name, "events": 10, "per_cpu_second": rate, "cpu_seconds": 1.0, **more}


def row_of(text: str, what: str) -> str:
    rows = re.findall("<tr><td>.*?</tr>", text, re.S)
    return next(row for row in rows if row.startswith(f"<tr><td>{what}<"))


def test_the_page_shows_each_figure_beside_its_limits_and_says_the_verdict_in_words() -> None:
    rows = [run(OURS, 180_000), run(DUCKDB, 200_000), run(FALLBACK, 29_000)]
    text = page({"machine": "2 cores", "file_to_lake": {"steady": rows}})
    ratio = row_of(text, "File to lake beside DuckDB SQL")
    assert "0.9 x" in ratio
    assert "at least 0.9" in ratio
    assert "at least 1.3" in ratio
    assert 'class="met">floor met' in ratio
    assert 'class="failed">floor missed' in row_of(text, "File to lake without the kernel")
    assert 'class="short">aim not reached' in row_of(text, "File to lake")


def test_a_figure_that_is_not_there_is_said_to_be_missing() -> None:
    without: list[dict[str, Any]] = [{}, {"file_to_lake": {"failed": "no room"}}, {"workers": {}}]
    for results in without:
        text = page(results)
        for one in TARGETS:
            assert found(one, results) is None
        assert text.count('class="missing">not measured') == len(TARGETS)


def test_an_erasure_of_a_small_lake_says_nothing_of_ninety_days() -> None:
    runs = [run("erase", 1) | {"wall_seconds": 2.0, "events": 4_000_000}]
    erasing = next(one for one in TARGETS if one.benchmark == "erase")
    assert found(erasing, {"erase": {"runs": runs}}) is None
    runs[0]["events"] = 90_000_000
    assert found(erasing, {"erase": {"runs": runs}}) == 2.0


def test_texts_of_the_results_are_escaped() -> None:
    evil = "<script>alert('1')</script>"
    results: dict[str, Any] = {
        "machine": evil,
        evil: {"steady": [run(evil, 5)], "report": evil, evil: {"1": {evil: 2.0}}},
        "other": {"failed": evil},
    }
    text = page(results)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 7


def test_the_page_asks_nothing_of_anybody() -> None:
    text = page({"machine": "m", "file_to_lake": {"steady": [run(OURS, 5)]}})
    assert not re.search(r"https?:|src=|href=|@import|url\(", text)
    assert "<svg" in text


def test_a_growth_is_drawn_from_zero_at_every_size() -> None:
    text = section("growth", {"days": {"1": {"us": 2.0}, "88": {"us": 4.0}}})
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height="14"', text)]
    assert widths[1] == 2 * widths[0]


def test_what_a_run_did_not_measure_is_not_a_zero() -> None:
    rows = [run(OURS, 5, stored_bytes=30.0), run(BEAM, 4), run(POLARS, 3, stored_bytes=20.0)]
    assert section("file_to_lake", {"whole": rows}).count("<td>not measured</td>") == 1


def test_every_target_names_a_benchmark_that_is_run() -> None:
    assert {one.benchmark for one in TARGETS} <= {*BENCHMARKS, *LONG}
