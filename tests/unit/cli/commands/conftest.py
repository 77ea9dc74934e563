"""A lake for every test of a command that reads one; made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.cli.commands.tiny import Tiny, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make(folder)
    return folder


@pytest.fixture
def tiny(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tiny:
    shutil.copytree(made, tmp_path / "t")
    capsys.readouterr()
    return Tiny(tmp_path / "t", capsys)
