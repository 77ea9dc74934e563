"""`telemetry rollup --release`: a day's budget is spent once, and what is written says so."""

from __future__ import annotations

import csv
import json

from pipeline.cli.commands.rollup_release import LISTS
from pipeline.io.package_data import load_catalogue
from tests.unit.cli.commands.tiny import Tiny


def test_a_day_is_released_once(tiny: Tiny) -> None:
    out = tiny.folder / "released"
    done = tiny.call("rollup", "--release", str(out))["release"]
    assert done["days"] == 3
    (table,) = out.glob("*.csv")
    (manifest,) = out.glob("*.json")
    assert table.stem == manifest.stem == "release-2026-11-21-to-2026-11-23"
    cells = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert len(cells) == done["cells"]
    assert {cell["dimension"] for cell in cells} <= set(LISTS)
    assert "2026-11-22" in json.dumps(json.loads(manifest.read_text("utf-8")))
    said = tiny.refused("rollup", "--release", str(tiny.folder / "again"), code=4)
    assert "released once" in said
    assert not (tiny.folder / "again").exists()


def test_every_released_dimension_has_a_closed_list() -> None:
    catalogue = load_catalogue(None)
    assert all(catalogue.storable(values) for values in LISTS.values())
