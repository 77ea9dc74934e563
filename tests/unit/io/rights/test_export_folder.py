"""An export that could never be written is refused before it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, UsageError
from pipeline.io.rights.export_folder import check_target


def test_a_new_folder_is_fine_and_nothing_is_made(tmp_path: Path) -> None:
    check_target(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_what_is_there_is_not_written_over(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    if kind == "folder":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError):
        check_target(target)


def test_a_file_above_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem):
        check_target(tmp_path / "file" / "out")
