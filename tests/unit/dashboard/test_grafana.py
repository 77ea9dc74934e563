"""The Grafana files agree with what the pipeline exports and the dashboard builds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pipeline.dashboard.data import page_data
from pipeline.io.lake.publications import RollupStore
from pipeline.metrics import DECLARED, InstrumentKind
from tests.dashboards import NOTES, NOW, REGISTRY, published, rolled_up, site

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
EXPORTED = {item.exported: set(item.labels) for item in DECLARED} | {
    f"{item.name}_{part}": {*item.labels, "le"}
    for item in DECLARED
    if item.kind is InstrumentKind.HISTOGRAM
    for part in ("bucket", "sum", "count")
}


SELECTOR = re.compile(
    r"\$\[grain='(\w+)' and cut='([\w,]*)'(?: and key1 in \[\$\{(\w+):singlequote\}\])?\]"
)
"""What panels ask of a file: one table of it, and of that the values of a variable."""


TOO_SMALL = ("first_frame.json", "round_trip.json", "session_duration.json")
"""Percentiles need more sessions than the test's lake has on a day."""


def boards() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in BOARDS]


def targets() -> Iterator[dict[str, Any]]:
    for board in boards():
        for panel in board["panels"]:
            yield from panel["targets"]


def expressions() -> list[str]:
    return [target["expr"] for target in targets() if "expr" in target]


def test_the_four_dashboards_are_there_with_uids_of_their_own() -> None:
    assert [path.stem for path in BOARDS] == ["api-red", "overview", "pipeline-health", "sessions"]
    uids = [board["uid"] for board in boards()]
    assert len(set(uids)) == 4
    for board in boards():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        assert board["editable"] is False


@pytest.mark.parametrize("expression", expressions())
def test_every_counter_and_label_of_an_expression_is_declared(expression: str) -> None:
    names = re.findall(r"\btelemetry_\w+", expression)
    assert names
    assert set(names) <= set(EXPORTED)
    labels = {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", expression)
        for label in group.split(",")
    } | set(re.findall(r"\{(\w+)=", expression))
    assert labels <= {label for name in names for label in EXPORTED[name]}


def test_every_file_of_a_panel_is_built_and_its_table_is_published() -> None:
    checked = 0
    for target in targets():
        if "url" not in target:
            continue
        name = re.fullmatch(r"metrics/(\w+)\.json", target["url"])
        assert name
        metric = REGISTRY.metrics[name[1]]
        chosen = SELECTOR.fullmatch(target["root_selector"])
        assert chosen
        assert chosen[3] in (None, chosen[2]), "a variable filters another column than its own"
        tables = {(window.value, ",".join(by)) for window, by in metric.tables}
        assert (chosen[1], chosen[2]) in tables
        measures = {column["selector"] for column in target["columns"]} - {"time", "key1"}
        assert measures <= ({f"p{q}" for q in metric.quantiles} or {"value"})
        checked += 1
    assert checked > 20


def test_every_panel_uses_a_provisioned_source() -> None:
    sources = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "telemetry.yaml").read_text("utf-8")
    )
    known = {(source["type"], source["uid"]) for source in sources["datasources"]}
    used = {(target["datasource"]["type"], target["datasource"]["uid"]) for target in targets()}
    assert used == known
    providers = yaml.safe_load(
        (GRAFANA / "provisioning" / "dashboards" / "telemetry.yaml").read_text("utf-8")
    )
    assert all(provider["allowUiUpdates"] is False for provider in providers["providers"])


def variables(board: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in board["templating"]["list"]}


def test_a_variable_is_used_and_what_is_used_is_a_variable() -> None:
    found: set[str] = set()
    for board in boards():
        text = json.dumps(board["panels"])
        used = set(re.findall(r"\$\{(\w+):singlequote\}", text)) | (
            set(re.findall(r"\$(\w+)", text)) - {"__rate_interval"}
        )
        assert used == set(variables(board)), board["uid"]
        found |= used
    assert found == {"event", "model", "region"}


def test_the_values_of_a_variable_come_from_a_table_that_is_published() -> None:
    for board in boards():
        for name, one in variables(board).items():
            assert one["includeAll"] is True
            if one["datasource"]["type"] == "prometheus":
                metric, label = re.fullmatch(  # type: ignore[union-attr]
                    r"label_values\((\w+), (\w+)\)", one["query"]["query"]
                ).groups()
                assert label == name
                assert label in EXPORTED[metric]
                continue
            query = one["query"]["infinityQuery"]
            metric = query["url"].removeprefix("metrics/").removesuffix(".json")
            assert query["root_selector"] == (
                f"$distinct($[grain='week' and cut='{name}'].key1).{{'key1':$}}"
            )
            tables = {(window.value, by) for window, by in REGISTRY.metrics[metric].tables}
            assert ("week", (name,)) in tables


def test_boards_are_linked_with_their_time_and_variables() -> None:
    uids = {board["uid"] for board in boards()}
    for board in boards():
        [link] = board["links"]
        assert link["includeVars"] is link["keepTime"] is True
        inner = [link for panel in board["panels"] for link in panel.get("links", [])]
        assert inner, board["uid"]
        for one in inner:
            target = re.fullmatch(
                r"/d/([\w-]+)\?\$\{__url_time_range\}&\$\{__all_variables\}", one["url"]
            )
            assert target
            assert target[1] in uids - {board["uid"]}


def test_every_board_has_marks_from_a_provisioned_source() -> None:
    for board in boards():
        assert board["annotations"]["list"]
        for note in board["annotations"]["list"]:
            if note["datasource"]["type"] == "prometheus":
                assert set(re.findall(r"\btelemetry_\w+", note["expr"])) <= set(EXPORTED)
            else:
                assert note["target"]["url"] == "metrics/annotations.json"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RollupStore:
    return rolled_up(tmp_path_factory.mktemp("lake"), 28, 12_000, 3_000)


def test_the_files_fit_their_schema_and_every_panel_finds_rows_in_them(store: RollupStore) -> None:
    validate = jsonschema.Draft202012Validator(
        json.loads((GRAFANA / "series.schema.json").read_text("utf-8"))
    ).validate
    built = {
        name: json.loads(text) for name, text in site(store).items() if name.startswith("metrics/")
    }
    for rows in built.values():
        validate(rows)
    assert [note["kind"] for note in built["metrics/annotations.json"]] == ["incident", "release"]
    with pytest.raises(jsonschema.ValidationError):
        validate([{"time": "2026-11-09T00:00:00Z", "grain": "hour", "cut": "", "key1": "x"}])
    empty = []
    for target in targets():
        if "url" not in target:
            continue
        grain, cut, _ = SELECTOR.fullmatch(target["root_selector"]).groups()  # type: ignore[union-attr]
        rows = [row for row in built[target["url"]] if (row["grain"], row["cut"]) == (grain, cut)]
        if not rows:
            empty.append((target["url"], grain, cut))
    assert all(url.endswith(TOO_SMALL) for url, *_ in empty), empty


def test_rates_errors_and_durations_are_those_of_the_page(store: RollupStore) -> None:
    """Both read the same publications; the page makes a ratio from its parts itself."""
    tables = page_data(published(store).tables, store.manifest(), NOTES, NOW)["tables"]
    files = site(store)
    compared = 0
    for name, measure in (("requests", "value"), ("http_5xx_rate", "value"), ("latency", "p95")):
        table = tables[f"{name}|day|"]
        if measure in table:
            [shown] = table[measure]
        else:
            [over], [below] = table["numerator"], table["denominator"]
            parts = zip(over, below, strict=True)
            shown = [None if part is None else part / whole for part, whole in parts]
        days = [str(date(1970, 1, 1) + timedelta(days=at)) for at in table["at"]]
        on_page = dict(zip(days, shown, strict=True))
        for row in json.loads(files[f"metrics/{name}.json"]):
            if (row["grain"], row["cut"]) == ("day", "") and measure in row:
                assert row[measure] == pytest.approx(on_page[row["time"][:10]], rel=0.01), name
                compared += 1
    assert compared > 28
