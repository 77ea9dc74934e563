"""The Grafana files agree with what the pipeline exports and the dashboard builds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.metrics import DECLARED, Kind
from tests.dashboards import REGISTRY

GRAFANA = Path(__file__).parents[3] / "deploy" / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
EXPORTED = {item.exported: set(item.labels) for item in DECLARED} | {
    f"{item.name}_{part}": {*item.labels, "le"}
    for item in DECLARED
    if item.kind is Kind.HISTOGRAM
    for part in ("bucket", "sum", "count")
}


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
        chosen = re.fullmatch(r"\$\[grain='(\w+)' and cut='([\w,]*)'\]", target["root_selector"])
        assert chosen
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
