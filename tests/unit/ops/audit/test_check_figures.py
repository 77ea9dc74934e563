"""When there is nothing to make again, and when it cannot be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.ops.audit.check_figures import FIGURES
from tests.unit.io.lakes import NOW


def verdict(folder: Path) -> str:
    keys = LocalKeystore(folder / "state" / "keys", now=lambda: NOW)
    audited = SimpleNamespace(lake=Lake(str(folder / "lake")), keys=lambda: keys)
    return str(FIGURES["figures_recomputed"].look(cast("Any", audited)).verdict.value)


def test_a_lake_without_publications_has_nothing_to_make_again(tmp_path: Path) -> None:
    assert verdict(tmp_path) == "not_applicable"


def test_without_the_key_of_the_perturbation_nothing_is_verified(tmp_path: Path) -> None:
    Lake(str(tmp_path / "lake")).rollups().write_manifest({"version": 2})
    LocalKeystore(tmp_path / "state" / "keys", now=lambda: NOW).begin()
    assert verdict(tmp_path) == "not_verified"
    assert not list((tmp_path / "state" / "keys").glob("figures*")), "an audit makes no key"
