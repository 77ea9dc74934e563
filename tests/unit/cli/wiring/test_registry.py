"""The metrics beside the schemas in use, or the packaged ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.wiring.registry import open_registry
from pipeline.io.package_data import METRICS, packaged
from pipeline.settings import Settings

SCHEMAS = Path(str(packaged()))
KEPT = "traffic.toml"


def call(folder: Path | None) -> Invocation:
    settings = Settings()
    schemas = replace(settings.schemas, directory=folder)
    return Invocation(Output(), replace(settings, schemas=schemas))


def test_the_packaged_metrics_are_those_without_a_folder(tmp_path: Path) -> None:
    names = set(open_registry(call(None)).metrics)
    assert {"requests", "active_day", "latency"} <= names
    copied = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, copied, ignore=shutil.ignore_patterns(METRICS))
    assert set(open_registry(call(copied)).metrics) == names


def test_metrics_beside_the_schemas_in_use_take_their_place(tmp_path: Path) -> None:
    copied = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, copied)
    for path in (copied / METRICS).glob("*.toml"):
        text = path.read_text("utf-8")
        path.write_text(text.replace('title = "Requests"', 'title = "Calls"'), "utf-8")
    mine = open_registry(call(copied)).metrics["requests"]
    assert (mine.title, open_registry(call(None)).metrics["requests"].title) == (
        "Calls",
        "Requests",
    )
