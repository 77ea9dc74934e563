"""Every alert has its runbook, every runbook its alert, and each says what is needed at night."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.rules.sources import ROOT
from tests.rules.test_documentation import anchors

MANUAL = ROOT / "docs" / "operations.md"
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PARTS = ["Symptom", "Means", "Look at", "Do", "Over"]


def runbooks() -> dict[str, str]:
    """The sections of the manual's chapter on alerts, by heading."""
    chapter = re.search(r"^## Alerts\n(.*?)(?=^## |\Z)", MANUAL.read_text("utf-8"), re.M | re.S)
    assert chapter is not None
    sections = re.split(r"^### (\w+)\n", chapter[1], flags=re.M)
    return dict(zip(sections[1::2], sections[2::2], strict=True))


def test_alerts_and_runbooks_are_the_same_ones() -> None:
    assert sorted(runbooks()) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_leads_to_a_runbook_that_says_what_to_do(rule: dict) -> None:
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / path == MANUAL
    assert anchor == rule["alert"].lower()
    assert anchor in anchors(MANUAL)
    assert re.findall(r"^- \*\*([\w ]+)\*\*: ", runbooks()[rule["alert"]], re.M) == PARTS
