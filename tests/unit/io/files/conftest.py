"""A bench for every test of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.io.files.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "in"
    folder.mkdir()
    bench = Bench(folder)
    yield bench
    for reader in bench.readers:
        reader.close()
