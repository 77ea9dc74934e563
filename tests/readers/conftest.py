"""The lakes that every reader is asked about."""

from __future__ import annotations

import pytest

from tests.readers.states import States


@pytest.fixture(scope="session")
def states(tmp_path_factory: pytest.TempPathFactory) -> States:
    """Lakes by the name of their state, made when first asked for."""
    return States(tmp_path_factory.mktemp("states"))
