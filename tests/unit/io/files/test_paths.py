"""What a path names now: a file, a folder's files, a pattern's; never a half-written one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.files.paths import find_inputs, is_taken, place_at, require_inputs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.ndjson", "a.ndjson", ".hidden", "c.ndjson.tmp", "deep/d.ndjson", "deep/.e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def found(*paths: Path | str) -> list[str]:
    return [Path(path).name for path, _ in find_inputs(list(map(str, paths))).values()]


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a", True),
        ("a.tmp.1", True),
        (".a", False),
        ("a.part", False),
        ("a~", False),
        ("a.swp", False),
    ],
)
def test_hidden_and_temporary_names_are_passed_over(name: str, taken: bool) -> None:
    assert is_taken(name) is taken


def test_a_folder_means_its_files_in_order_and_not_its_folders(folder: Path) -> None:
    assert found(folder) == ["a.ndjson", "b.ndjson"]


def test_a_pattern_reaches_as_deep_as_it_says(folder: Path) -> None:
    assert found(folder / "*.ndjson*") == ["a.ndjson", "b.ndjson"]
    assert found(folder / "**" / "*") == ["a.ndjson", "b.ndjson", "d.ndjson"]
    assert found(folder / "none*") == []


def test_a_file_that_is_named_outright_is_always_taken(folder: Path) -> None:
    assert found(folder / ".hidden", folder / "c.ndjson.tmp") == [".hidden", "c.ndjson.tmp"]


def test_a_file_that_is_reached_twice_is_there_once(folder: Path) -> None:
    os.link(folder / "a.ndjson", folder / "z.ndjson")
    (folder / "y.ndjson").symlink_to("b.ndjson")
    assert found(folder / "z*", folder, folder / "*.ndjson") == ["z.ndjson", "b.ndjson"]
    (status,) = (status for _, status in find_inputs([str(folder / "a.ndjson")]).values())
    assert place_at(status) == place_at((folder / "z.ndjson").stat())


def test_what_is_no_file_or_gone_is_not_found(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to("nowhere")
    assert found(folder / "pipe", folder / "broken", folder / "none", folder) == [
        "a.ndjson",
        "b.ndjson",
    ]


def test_a_path_that_names_nothing_is_refused_before_a_run(folder: Path) -> None:
    require_inputs([str(folder), str(folder / "a.ndjson"), str(folder / "none*")])
    os.mkfifo(folder / "pipe")
    for name, why in [("none", "not found"), ("pipe", "neither a file nor a folder")]:
        with pytest.raises(EnvironmentProblem, match=why) as caught:
            require_inputs([str(folder), str(folder / name)])
        assert caught.value.where == str(folder / name)
        assert caught.value.remedy


@pytest.mark.usefixtures("heeds_permissions")
def test_a_folder_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "deep").chmod(0)
    try:
        with pytest.raises(EnvironmentProblem, match="permission denied"):
            found(folder / "deep")
    finally:
        (folder / "deep").chmod(0o700)
