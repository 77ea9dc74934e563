"""What these tests need of a machine: Java for the cluster and the broker, Maven for their jars."""

from __future__ import annotations

import pytest

from tests.integration.services import flink, kafka


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = flink.missing() or kafka.missing()
    for item in items:
        if "tests/integration/flink" in str(item.path):
            item.add_marker(pytest.mark.service)
            item.add_marker(pytest.mark.slow)
            if reason is not None:
                item.add_marker(pytest.mark.skip(reason=reason))
