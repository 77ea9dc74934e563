"""The demo's accounts and sessions: from a seed, in order, inside their time and ranges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.world import World

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEGIN = END - timedelta(days=30)


def world(sessions: int = 9_000, seed: int = 1) -> World:
    return World(load_profile(), seed=seed, begin=BEGIN, end=END, sessions=sessions)


@pytest.mark.parametrize("sessions", [1, 3_999, 9_000])
def test_the_parts_hold_as_many_sessions_as_asked_for(sessions: int) -> None:
    made = world(sessions)
    assert sum(len(made.part(number).start_us) for number in range(made.parts)) == sessions


def test_a_part_is_the_same_whoever_makes_it_and_in_whatever_order() -> None:
    one, other = world(), world()
    other.part(1)
    first, again = one.part(0), other.part(0)
    assert np.array_equal(first.start_us, again.start_us)
    assert np.array_equal(first.account, again.account)
    assert first.identifier.equals(again.identifier)


def test_another_seed_makes_other_sessions() -> None:
    assert not np.array_equal(world(seed=1).part(0).start_us, world(seed=2).part(0).start_us)


def test_sessions_start_in_order_and_within_the_time() -> None:
    made = world()
    starts = np.concatenate([made.part(number).start_us for number in range(made.parts)])
    assert np.all(np.diff(starts) >= 0)
    assert starts[0] >= made.begin_us
    assert starts[-1] <= made.end_us


def test_about_one_account_in_a_hundred_has_opted_out() -> None:
    made = world(100_000)
    assert 0.005 < len(made.opted_out()) / made.accounts < 0.02
    assert len(set(made.opted_out())) == len(made.opted_out())
