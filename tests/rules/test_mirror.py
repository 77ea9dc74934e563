"""`tests/unit` mirrors the tree: every module has its `test_<module>.py` at its path.

Commands are also run whole by `tests/integration/test_cli_*.py`, readers and writers of services
by `tests/integration/`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.rules.sources import ROOT

UNIT = ROOT / "tests" / "unit"

OF_SUBJECTS = {
    "cli/commands/test_optout_status",
    "cli/commands/test_reading_beside_jobs",
    "dashboard/test_figures",
    "dashboard/test_grafana",
    "events/test_bounded_work",
    "flow/runners/test_dataflow",
    "flow/steps/test_clock",
    "io/kafka/test_alerts",
    "io/kafka/test_docs",
    "io/keys/test_silence",
    "io/parquet/test_encryption_stores",
    "io/parquet/test_parquet_encryption",
    "ops/rights/test_held_accounts",
    "ops/rollup/test_attacks",
    "ops/rollup/test_attacks_on_everything",
    "ops/test_encrypted_jobs",
    "privacy/figures/test_gate_attacks",
    "privacy/identity/test_skeleton_laws",
    "privacy/test_bounded_memory",
}
"""Tests of what several modules do together, named after the subject."""


def modules() -> set[str]:
    """Every module of the package, as a path without ending: `io/lake/table`."""
    paths = (ROOT / "pipeline").rglob("*.py")
    return {_name(path, ROOT / "pipeline") for path in paths if not path.name.startswith("__")}


def written() -> set[str]:
    return {_name(path, UNIT) for path in UNIT.rglob("test_*.py")}


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _test_of(module: str) -> str:
    folder, _, name = module.rpartition("/")
    return f"{folder}/test_{name}".lstrip("/")


def test_every_module_has_its_test() -> None:
    """Write `tests/unit/<path>/test_<module>.py`."""
    missing = {module for module in modules() if _test_of(module) not in written()}
    assert missing == set()


def test_every_test_is_at_the_path_of_a_module_or_of_a_subject() -> None:
    benchmarks = {f"benchmarks/test_{path.stem}" for path in (ROOT / "benchmarks").glob("*.py")}
    mirrored = {_test_of(module) for module in modules()}
    assert written() - mirrored - benchmarks - OF_SUBJECTS == set()


@pytest.mark.parametrize("path", sorted(UNIT.rglob("test_*.py")), ids=lambda path: path.stem)
def test_no_test_file_is_empty(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    named = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert any(name.startswith("test_") for name in named)
