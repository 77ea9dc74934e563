"""Folders of the lake are closed to all but owner and group, whatever the umask says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pipeline.io.lake.lake import Lake
from tests.unit.io.lakes import EVENT, SCHEMA, batch


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o750), (0o022, 0o750), (0o077, 0o700)])
def test_every_folder_of_a_new_lake_is_closed_to_others(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        lake = Lake(str(tmp_path / "data" / "lake"))
        lake.events(EVENT, SCHEMA).commit(batch(0, 4))
        lake.rollups().write_manifest({})
    finally:
        os.umask(before)
    folders = [tmp_path / "data", *(p for p in (tmp_path / "data").rglob("*") if p.is_dir())]
    assert len(folders) >= 7
    modes = {str(p.relative_to(tmp_path)): oct(stat.S_IMODE(p.stat().st_mode)) for p in folders}
    assert modes == dict.fromkeys(modes, oct(mode))


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "lake"
    root.mkdir()
    root.chmod(0o755)
    Lake(str(root)).events(EVENT, SCHEMA).commit(batch(0, 4))
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
