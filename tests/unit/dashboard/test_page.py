"""The page's data, its file, and its content security policy."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.dashboard.annotations import parse_annotations
from pipeline.dashboard.data import day_number, page_data
from pipeline.dashboard.fixed import PERTURBED, facts, fixed_parts
from pipeline.dashboard.layout import read_layout
from pipeline.dashboard.page import SCRIPTS, render, with_notice
from pipeline.dashboard.site import Published, build
from pipeline.errors import SettingsError
from pipeline.ops.rollup.publication import PUBLISHED
from pipeline.ops.rollup.registry import MetricKind
from tests.dashboards import NOTES, NOW, REGISTRY, published, rolled_up
from tests.rules.test_shape import LONGEST
from tests.unit.dashboard.shapes import faults

LIMITED = {"opt_out_rate", "dropped", "rejected", "late", "duplicate"}
SCHEMA = json.loads(files("pipeline.dashboard").joinpath("page.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published(rolled_up(tmp_path_factory.mktemp("full"), 14, 30_000, 500))


@pytest.fixture(scope="module")
def page(full: Published) -> str:
    return build(full, NOTES, NOW)["index.html"]


def block(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found[1])


def test_the_data_block_is_as_its_schema_says(full: Published, page: str) -> None:
    assert list(faults(block(page, "data"), SCHEMA, SCHEMA)) == []


def test_the_data_of_an_empty_lake_is_as_its_schema_says(tmp_path: Path) -> None:
    for store in (Published({}, {}), published(rolled_up(tmp_path, 0, 0, 1))):
        data = page_data(store.tables, store.manifest, [], NOW)
        assert list(faults(data, SCHEMA, SCHEMA)) == []
        assert data["last_day"] is None


def test_every_number_of_the_data_is_one_of_the_rollups(full: Published, page: str) -> None:
    tables: Mapping[str, Any] = block(page, "data")["tables"]
    compared = 0
    for name, cube in tables.items():
        metric, grain, cut = name.split("|")
        table = full.tables[metric]
        table = table.filter(pc.and_(pc.equal(table["grain"], grain), pc.equal(table["cut"], cut)))
        for row in table.to_pylist():
            key = [row["key1"], row["key2"]][: len(cut.split(",")) if cut else 0]
            line = cube["keys"].index(key)
            column = cube["at"].index(day_number(row["first_day"]))
            for measure in ("value", "numerator", "denominator", "p50", "p90", "p95", "p99"):
                if measure in cube:
                    expected = row[measure]
                    if metric in LIMITED and row["under"] is not None:
                        continue  # Shown as their limit; a test of its own says so.
                    found = cube[measure][line][column]
                    assert (found is None) == (expected is None)
                    assert found is None or found == pytest.approx(expected, abs=1e-6)
                    compared += 1
    assert compared > 2_000


def test_the_page_names_the_largest_cells_and_adds_up_the_others() -> None:
    days = [date(2026, 11, 1), date(2026, 11, 2)]
    routes = [f"/v1/r{number:02}" for number in range(40)]
    row = dict.fromkeys(PUBLISHED.names)
    row |= {"grain": "day", "cut": "route", "key2": "", "accounts": 40, "revision": 0}
    row |= {"published_at": NOW}
    rows = [
        {**row, "first_day": day, "last_day": day, "key1": route, "value": 100.0 + number}
        for day in days
        for number, route in enumerate(routes)
    ]
    table = pa.Table.from_pylist(rows, schema=PUBLISHED)
    words = {"name": "requests", "kind": "count", "requires": ""}
    data = page_data({"requests": table}, {"metrics": [words]}, [], NOW)
    cube = data["tables"]["requests|day|route"]
    assert len(cube["keys"]) == 25
    assert ["/v1/r39"] in cube["keys"]
    assert ["/v1/r00"] not in cube["keys"]
    for column in range(2):
        assert sum(line[column] for line in cube["value"]) == sum(100 + n for n in range(40))


def test_the_policy_allows_the_pages_own_script_and_style_and_no_request(page: str) -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    styles = re.findall(r"<style>(.*?)</style>", page, re.S)
    assert len(scripts) == 2
    assert len(styles) == 1
    for text in [*scripts, *styles]:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]


def test_the_page_names_no_other_place(page: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "@import" not in page
    assert "url(" not in page.split("<script")[0]


def test_text_cannot_leave_the_data_block(full: Published) -> None:
    hostile = "</script><script>alert(1)</script><!--"
    data = page_data(full.tables, full.manifest, NOTES, NOW) | {"notice": hostile}
    page = render(data, "")
    assert hostile not in page
    assert block(page, "data")["notice"] == hostile


def test_text_cannot_leave_the_fixed_parts(full: Published) -> None:
    hostile = "</p><script>alert(1)</script>"
    data = page_data(full.tables, full.manifest, [], NOW)
    data["metrics"] = [{**metric, "sentence": hostile} for metric in data["metrics"]]
    data["status"] = {"geo": {"type": hostile}}
    assert "<script" not in fixed_parts(data, full.manifest)


def test_the_facts_say_what_is_promised_and_what_is_so() -> None:
    data = {
        "rolled_up_at": "2026-11-23T12:00:00+00:00",
        "rule": {"accounts": 20, "share": 0.8},
        "status": {
            "newest_commit": "2026-11-23T09:00:00+00:00",
            "oldest_day": "2026-08-25",
            "last_expiry": None,
            "epochs_live": 2,
            "epochs_destroyed": 1,
            "geo": {"type": "DBIP-Country-Lite", "built": "2026-11-01", "credit": "IP by DB-IP"},
        },
    }
    assert dict(facts(data)) == {
        "Newest commit": "2026-11-23 09:00 UTC",
        "Published": "2026-11-23 12:00 UTC",
        "Oldest event day": "2026-08-25, 90 days old: OVER the 90 days promised",
        "Last expiry run": "none yet; a day is due 89 days after it",
        "Key periods": "2 live, 1 with their keys destroyed",
        "Smallest group": "20 accounts; none over 80% of a cell",
        "Perturbation": PERTURBED,
        "Country database": "DBIP-Country-Lite, 2026-11-01, IP by DB-IP",
    }


def test_a_page_takes_a_notice_and_keeps_its_figures(page: str) -> None:
    noted = with_notice(page, "The last build failed </script>")
    assert noted
    assert block(noted, "data") == block(page, "data") | {
        "notice": "The last build failed </script>"
    }
    assert len(noted) - len(page) < 60
    assert with_notice("<html>another page</html>", "x") is None
    assert with_notice(page.replace('{"version":3,', '{"version":2,'), "x") is None


def test_equal_data_gives_equal_bytes(full: Published, page: str) -> None:
    assert build(full, NOTES, NOW)["index.html"] == page


def test_the_page_stays_below_one_and_a_half_megabytes(page: str) -> None:
    assert len(page.encode()) < 1_500_000


def test_every_metric_has_a_file_for_other_tools(full: Published) -> None:
    built = build(full, NOTES, NOW)
    names = {f"metrics/{name}.json" for name in (*REGISTRY.metrics, "annotations")}
    assert names | {"index.html"} == set(built)
    rows = json.loads(built["metrics/requests.json"])
    totals = [row for row in rows if row["cut"] == ""]
    assert len(totals) == 14
    assert set(totals[0]) == {"time", "grain", "cut", "key1", "key2", "value"}


def test_every_chart_and_tile_of_the_layout_has_its_table_in_the_registry() -> None:
    layout = read_layout()
    drawn: set[str] = set()
    for page in layout["page"]:
        for text in page["tiles"]:
            name, _, measure = text.partition(" ")
            drawn.add(name)
            assert not measure or int(measure[1:]) in REGISTRY.metrics[name].quantiles
        for chart in page["charts"]:
            metric = REGISTRY.metrics[chart["metric"]]
            drawn.add(metric.name)
            by = tuple(chart.get("by", "hour" if chart["draw"] == "hours" else "").split(","))
            windows = {(window.value, by) for window, by in metric.tables}
            wanted = (chart.get("grain", "day"), tuple(name for name in by if name))
            assert metric.kind is MetricKind.FACT or wanted in windows, chart
            assert {name for name in by if name} <= set(layout["names"])
    assert set(REGISTRY.metrics) - drawn == {"freshness", "expiry_proof", "suppressed"}


def test_the_scripts_modules_stay_short_enough_to_read() -> None:
    folder = files("pipeline.dashboard").joinpath("script")
    modules = {file.name: file.read_text("utf-8") for file in folder.iterdir()}
    assert {name for name, text in modules.items() if text.count("\n") > LONGEST} == set()
    assert set(modules) == {f"{name}.js" for name in SCRIPTS}


def test_annotations_load_in_order() -> None:
    text = (
        '[[annotation]]\nday = 2026-11-16\nkind = "release"\ntext = "b"\n'
        '[[annotation]]\nday = 2026-11-09\nkind = "incident"\ntext = "a"\n'
    )
    assert [note.day for note in parse_annotations(text, "f")] == [
        date(2026, 11, 9),
        date(2026, 11, 16),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "day =", "other = 1", '[[annotation]]\nday = "2026-11-09"\nkind = "note"\ntext = "a"',
        '[[annotation]]\nday = 2026-11-09\nkind = "party"\ntext = "a"',
        '[[annotation]]\nday = 2026-11-09\nkind = "note"\ntext = ""',
        '[[annotation]]\nday = 2026-11-09\nkind = "note"',
        '[[annotation]]\nday = 2026-11-09T10:00:00Z\nkind = "note"\ntext = "a"',
    ],
)  # fmt: skip
def test_annotations_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"annotations do not load at notes\.toml"):
        parse_annotations(text, "notes.toml")
