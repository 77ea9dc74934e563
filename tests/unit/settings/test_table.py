"""A table of settings equals its entries, and survives the way to a worker process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.settings import Settings
from pipeline.settings.table import Table


def test_a_table_is_a_mapping_that_nobody_changes() -> None:
    table = Table({"region": "eu", "timeout": "5s"})
    assert table == {"region": "eu", "timeout": "5s"}
    assert list(table) == ["region", "timeout"]
    assert len(table) == 2
    with pytest.raises(TypeError):
        table["region"] = "us"  # type: ignore[index]


def test_equal_tables_have_one_hash() -> None:
    assert hash(Table({"a": "1", "b": "2"})) == hash(Table({"b": "2", "a": "1"}))


def test_settings_reach_a_worker_process(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.toml"
    path.write_text(
        '[lake]\npath = "lake"\nstorage = { region = "eu" }\n'
        '[sources.web]\nevent = "api_request"\nfiles = ["in"]\n'
    )
    settings = load_settings(path, environ={})
    arrived = pickle.loads(pickle.dumps(settings))
    assert isinstance(arrived, Settings)
    assert arrived == settings
