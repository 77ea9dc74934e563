"""A session of the demo goes one feature's way, so that its funnel has more than a first step."""

from __future__ import annotations

import numpy as np

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.ladder import feature_actions

PROFILE = load_profile()
SESSIONS, ROWS = 4_000, 6


def test_most_sessions_take_a_features_steps_in_their_order_and_fewer_each_next_one() -> None:
    owner = np.tile(np.arange(SESSIONS, dtype=np.int64), ROWS)
    found = feature_actions(PROFILE, owner, SESSIONS, np.random.default_rng(7))
    pairs = np.array(PROFILE.feature_actions, dtype=object)[found].reshape(ROWS, SESSIONS, 2)
    mine = [name for name, _ in PROFILE.feature_actions if name == "live_restyle"]
    steps = [action for name, action in PROFILE.feature_actions if name == mine[0]][:5]
    reached = [
        sum(
            all(pairs[at, one].tolist() == [mine[0], steps[at]] for at in range(depth))
            for one in range(SESSIONS)
        )
        for depth in range(1, len(steps) + 1)
    ]
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > reached[-1] > reached[0] / 4
    assert set(map(tuple, pairs.reshape(-1, 2))) == set(PROFILE.feature_actions)
