"""One broker for all tests of this folder; each test makes topics of its own."""

from __future__ import annotations

import gc
import itertools
import warnings
from collections.abc import Callable, Iterator

import pytest

from tests.integration.services import kafka

_NUMBERS = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = kafka.missing()
    for item in items:
        if "tests/integration/kafka" in str(item.path):
            item.add_marker(pytest.mark.service)
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    with kafka.Broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started
    _collect_sockets()


@pytest.fixture(autouse=True)
def _clients_leave_sockets() -> Iterator[None]:
    yield
    _collect_sockets()


def _collect_sockets() -> None:
    """Collect what kafka-python leaves to the garbage collector: sockets of lost connections."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def topic_name() -> Callable[[], str]:
    """Names that no other test uses."""
    return lambda: f"telemetry.test_{next(_NUMBERS)}"
