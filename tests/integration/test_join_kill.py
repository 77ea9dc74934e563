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

KILLS = 5
JOINS = 2
"""How often the files have been joined before the next kill."""


def test_joins_that_are_killed_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGHTS_SLICES", "more")
    world, rng = World(tmp_path), random.Random(5)
    world.store(slice_rows(0))
    stream = start("stream", tmp_path)
    join = start("join", tmp_path)
    try:
        for _ in range(KILLS):
            known = joins(world)
            while joins(world) < known + JOINS:
                assert stream.poll() is None, stream.communicate()[1]
                assert join.poll() is None, join.communicate()[1]
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.1))
            join.kill()
            join.communicate(timeout=60)
            join = start("join", tmp_path)
        (tmp_path / "enough").touch()
        for process in (stream, join):
            said = process.communicate(timeout=120)[1]
            assert process.returncode == 0, said
    finally:
        for process in (stream, join):
            process.kill()
            process.communicate()
    slices = int((tmp_path / "ended").read_text())
    written = [*slice_rows(0), *(row for number in range(slices) for row in slice_rows(number))]
    expected = Counter((world.subject(*row), str(row[1])) for row in written)
    assert Counter((row[1], row[3]) for row in world.rows()) == expected
    there = world.table.snapshot().by_day()
    assert len(there[days_back(AGES[0])[0]]) < len(there[days_back(AGES[1])[0]])


def joins(world: World) -> int:
    """How many joins the log names."""
    return sum(record.account.get("kind") == "part" for record in world.table.history())
