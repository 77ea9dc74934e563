"""kill -9 while files of an open day are joined beside a stream: every row is there once."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.rights_worker import AGES, slice_rows
from tests.integration.test_rights_race import start
from tests.unit.ops.rights.desk import World, days_back

SLICES = 120
LEAST_JOINS = 2


def test_joins_that_are_killed_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHTS_SLICES", str(SLICES))
    world, rng, kills = World(tmp_path), random.Random(5), 0
    world.store(slice_rows(0))
    stream = start("stream", tmp_path)
    join = start("join", tmp_path)
    try:
        while stream.poll() is None:
            known = joins(world)
            # Not before it has joined once more: a process takes a second to start.
            while stream.poll() is None and joins(world) < known + LEAST_JOINS:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.1))
            if join.poll() is None and stream.poll() is None:
                join.kill()
                kills += 1
            join.communicate(timeout=60)
            join = start("join", tmp_path)
        for process in (stream, join):
            said = process.communicate(timeout=60)[1]
            assert process.returncode == 0, said
    finally:
        for process in (stream, join):
            process.kill()
            process.communicate()
    assert kills >= 3, "the joins were hardly disturbed"
    written = [*slice_rows(0), *(row for number in range(SLICES) for row in slice_rows(number))]
    expected = Counter((world.subject(*row), str(row[1])) for row in written)
    assert Counter((row[1], row[3]) for row in world.rows()) == expected
    there = world.table.snapshot().by_day()
    assert len(there[days_back(AGES[0])[0]]) < len(there[days_back(AGES[1])[0]]) / 4


def joins(world: World) -> int:
    """How many joins the log names."""
    return sum(record.account.get("kind") == "part" for record in world.table.history())
