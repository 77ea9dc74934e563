"""The order of these files: the longest come first, so that two processes end together.

`--dist loadfile` hands out whole files in the order in which they were collected (`make
integration` asks it not to sort them by their number of tests). A long file that comes last leaves
one of two cores with nothing to do.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS = {
    "test_retention_year.py": 350,
    "flink/test_flink.py": 200,
    "kafka/test_kafka_kill.py": 90,
    "test_audit_breaches.py": 120,
    "test_lake_s3_race.py": 110,
    "flink/test_flink_jar.py": 90,
    "kafka/test_kafka_optout.py": 70,
    "kafka/test_kafka_damage.py": 60,
    "test_power_cut.py": 40,
    "test_run_machine.py": 40,
    "test_exactly_once.py": 40,
}
"""About how long the longest files take; `make integration` tells of the longest tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files of this folder by what they take, then by their number of tests."""
    mine = [place for place, item in enumerate(items) if HERE in item.path.parents]
    tests = Counter(items[place].path for place in mine)

    def shortest_last(item: pytest.Item) -> tuple[int, int]:
        name = item.path.relative_to(HERE).as_posix()
        return -SECONDS.get(name, 0), -tests[item.path]

    # A stable sort: the tests of a file stay in their order, and one file's stay together.
    ordered = sorted((items[place] for place in mine), key=shortest_last)
    for place, item in zip(mine, ordered, strict=True):
        items[place] = item
