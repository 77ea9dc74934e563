"""A lake in a folder that is empty when a test begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.io.lake.lake import Lake


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def lake(root: Path) -> Lake:
    return Lake(str(root), state=root.parent / "state")
