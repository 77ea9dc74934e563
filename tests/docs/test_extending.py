"""The recipes of docs/extending.md, followed as they are written, in a copy of the data files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from pipeline.events.schema import withheld
from pipeline.io.package_data import METRICS, load_catalogue, load_metrics, load_schemas, packaged
from pipeline.ops.rollup.registry import parse_registry
from pipeline.privacy.identity.epochs import EpochKind
from tests.rules.sources import ROOT

TEXT = (ROOT / "docs" / "extending.md").read_text("utf-8")


def block(language: str) -> str:
    """The one code block of a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.S)
    return str(found)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packaged schemas with the field and the metric that the document adds."""
    copy = tmp_path / "schemas"
    shutil.copytree(str(packaged()), copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    newest = (copy / "api_request" / "v2.yaml").read_text("utf-8")
    newest = newest.replace("version: 2\n", "version: 3\n", 1)
    (copy / "api_request" / "v3.yaml").write_text(newest.rstrip() + "\n" + block("yaml"), "utf-8")
    named = re.search(r"\| `schemas/(catalogue/\w+\.yaml)` \| `([^`]+)`", TEXT)
    assert named
    (copy / named[1]).write_text(named[2] + "\n", "utf-8")
    with (copy / METRICS / "adoption.toml").open("a", encoding="utf-8") as file:
        file.write("\n" + block("toml"))
    return copy


def test_a_field_takes_a_schema_and_a_catalogue_file(copy: Path) -> None:
    catalogue = load_catalogue(copy / "catalogue")
    newest = load_schemas(copy, catalogue)["api_request"][-1]
    (added,) = {column.name for column in newest.columns} - {
        column.name for column in load_schemas()["api_request"][-1].columns
    }
    assert (newest.version, added) == (3, "cache_status")
    assert catalogue.storable("cache_statuses") == {"hit", "miss", "stale", "other"}


def test_a_metric_takes_a_section_of_toml(copy: Path) -> None:
    schemas = load_schemas(copy, load_catalogue(copy / "catalogue"))
    hidden = withheld(schemas)
    registry = parse_registry(load_metrics(copy / METRICS), EpochKind.FOUR_WEEKS, hidden)
    metric = registry.metrics["cache_hit_rate"]
    with duckdb.connect() as database:
        given = [{"route": "/v1", "cache_status": status} for status in ("hit", "miss", "hit")]
        rows = pa.Table.from_pylist(given, schema=schemas["api_request"][-1].stored)
        database.register("api_request", rows)
        population = registry.populations[metric.population].sql
        found = database.execute(f"SELECT {metric.measure} FROM ({population})").fetchall()
    assert found == [(2,)]
