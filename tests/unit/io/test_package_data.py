"""Where schema and catalogue files are found, and what is said when they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SchemaError
from pipeline.io import package_data
from pipeline.io.package_data import load_catalogue, load_format, load_schemas, packaged

PACKAGED = Path(str(packaged()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for event in ("session", "error_log"):
        shutil.copytree(PACKAGED / event, tmp_path / event)
    return tmp_path


def test_the_package_brings_the_four_events() -> None:
    assert sorted(load_schemas()) == ["api_request", "error_log", "feature_use", "session"]
    assert load_catalogue().values("plans")


def test_a_folder_of_ones_own_takes_their_place(folder: Path) -> None:
    assert sorted(load_schemas(folder)) == ["error_log", "session"]


def test_versions_of_an_event_are_ascending_and_checked(folder: Path) -> None:
    first = folder / "session" / "v1.yaml"
    for version in (10, 2):
        text = first.read_text("utf-8").replace("version: 1\n", f"version: {version}\n", 1)
        (folder / "session" / f"v{version}.yaml").write_text(text, "utf-8")
    assert [schema.version for schema in load_schemas(folder)["session"]] == [1, 2, 10]
    (folder / "session" / "v10.yaml").write_text(
        first.read_text("utf-8")
        .replace("version: 1\n", "version: 10\n", 1)
        .replace("  gpc:", "  gpc2:"),
        "utf-8",
    )
    with pytest.raises(SchemaError, match="'gpc' of version 2"):
        load_schemas(folder)


def test_a_file_must_stand_where_it_says(folder: Path) -> None:
    (folder / "session" / "v1.yaml").rename(folder / "session" / "v2.yaml")
    with pytest.raises(SchemaError, match="not those of its path") as raised:
        load_schemas(folder)
    assert raised.value.where == "session/v2.yaml"
    assert "session/v1.yaml" in raised.value.remedy


def test_a_file_that_is_not_text_is_named(folder: Path) -> None:
    (folder / "session" / "v1.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(SchemaError, match="not UTF-8"):
        load_schemas(folder)


def test_a_folder_without_schemas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no schema"):
        load_schemas(tmp_path)


@pytest.mark.parametrize("load", [load_schemas, load_catalogue])
def test_a_folder_that_is_not_there_is_an_error_of_the_environment(
    load: object, tmp_path: Path
) -> None:
    assert callable(load)
    with pytest.raises(EnvironmentProblem) as raised:
        load(tmp_path / "nothing")
    assert str(tmp_path) in raised.value.where


def test_an_incomplete_catalogue_is_refused(tmp_path: Path) -> None:
    shutil.copy(PACKAGED / "catalogue" / "models.yaml", tmp_path)
    with pytest.raises(SchemaError, match="catalogue file is missing"):
        load_catalogue(tmp_path)


def test_an_installation_without_its_schemas_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_data, "PACKAGE", "pipeline.nowhere")
    with pytest.raises(EnvironmentProblem, match="without its schemas"):
        load_schemas()


def test_a_format_is_found_by_its_name_or_by_its_path(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    shutil.copy(PACKAGED / "formats" / "nginx_json.toml", own)
    schemas = load_schemas()
    assert load_format("nginx_json", schemas).rules == load_format(str(own), schemas).rules
    with pytest.raises(SchemaError, match="did you mean 'nginx_json'"):
        load_format("nginx-json", schemas)
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        load_format(str(tmp_path / "none.toml"), schemas)
