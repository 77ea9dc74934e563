"""The alert rules parse, and speak of declared metrics alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.metrics import DECLARED, InstrumentKind

RULES = Path(__file__).parents[4] / "deploy" / "prometheus" / "alerts.yml"


def exported() -> set[str]:
    names = set()
    for metric in DECLARED:
        if metric.kind is InstrumentKind.HISTOGRAM:
            names |= {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
        else:
            names.add(metric.exported)
    return names


def rules() -> list[dict[str, object]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_rules_name_declared_metrics_alone() -> None:
    named = {name for rule in rules() for name in re.findall(r"telemetry_\w+", str(rule["expr"]))}
    assert named
    assert named <= exported()


def test_every_rule_has_a_name_a_severity_and_words() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}  # type: ignore[index]
        annotations = set(rule["annotations"])  # type: ignore[call-overload]
        assert annotations == {"summary", "description", "runbook_url"}


@pytest.mark.second_opinion("promtool")
def test_promtool_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, capture_output=True)
