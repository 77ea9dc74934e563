"""The lake that is attacked, published once by either method."""

from __future__ import annotations

import pytest

from pipeline.ops.rollup.contributions import load
from tests.dashboards import REGISTRY
from tests.lake_rows import EPOCH, SCHEMAS, World, write_lake
from tests.unit.ops.rollup.attacked import MONDAY, Both, both


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Two weeks of 14,000 requests of 420 accounts; nobody may change it."""
    files = write_lake(tmp_path_factory.mktemp("lake"), World(MONDAY, 14, 14_000, 420, seed=5))
    with load(REGISTRY, files, SCHEMAS, EPOCH) as ready:
        return both(ready)
