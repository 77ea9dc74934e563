"""One broker for all tests of this folder; each test makes topics of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.integration.services import kafka

_NUMBERS = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = kafka.missing()
    for item in items:
        if "tests/integration/kafka" in str(item.path):
            item.add_marker(pytest.mark.service)
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    with kafka.Broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started


@pytest.fixture
def topic_name() -> Callable[[], str]:
    """Names that no other test uses."""
    return lambda: f"telemetry.test_{next(_NUMBERS)}"
