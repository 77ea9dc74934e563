"""The fault table promises what tests show: every row names one, and every one exists."""

from __future__ import annotations

import ast
import re

from tests.rules.sources import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
CELLS = 6
_NAMED = re.compile(r"`(tests/[a-z0-9_/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The rows of every table of faults."""
    lines = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "fault" and not set(row[0]) <= {"-", " "}]


def defined(path: str) -> set[str]:
    """The functions and classes on the top level of a test module."""
    file = ROOT / path
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text("utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_every_fault_says_all_that_a_reader_asks() -> None:
    assert len(rows()) > 30
    assert [row[0] for row in rows() if len(row) != CELLS or not all(row)] == []


def test_every_fault_names_a_test_that_exists() -> None:
    missing = []
    for row in rows():
        named = _NAMED.findall(row[-1])
        if not named or any(name not in defined(path) for path, name in named):
            missing.append(row[0])
    assert missing == []
