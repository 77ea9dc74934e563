"""Which feature is used and what is done with it: a session follows one feature, in steps."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from pipeline.demo.columns import Ints
from pipeline.demo.profile import Profile


def feature_actions(
    profile: Profile, owner: Ints, sessions: int, random: np.random.Generator
) -> Ints:
    """Give for each row the index of its pair in `profile.feature_actions`.

    `owner` is the session of each row, 0 to `sessions` - 1; rows are in order of time. A session
    takes the steps of one feature in their order and gives up somewhere on the way: a step is
    reached as often as its weight says, compared with the first one's. What it does after that is
    any step of any feature.
    """
    share = profile.shares["feature_actions"]
    weights = np.diff(share.cumulative, prepend=0.0)
    sizes = [len(list(group)) for _, group in groupby(profile.feature_actions, lambda one: one[0])]
    begins = np.cumsum([0, *sizes[:-1]])
    feature_of = np.repeat(np.arange(len(sizes)), sizes)
    reached = np.zeros((len(sizes), max(sizes)))
    for feature, (begin, size) in enumerate(zip(begins.tolist(), sizes, strict=True)):
        reached[feature, :size] = weights[begin : begin + size] / weights[begin]
    mine = feature_of[share.pick(random.random(sessions))]
    steps = (reached[mine] > random.random(sessions)[:, None]).sum(axis=1)
    rank = _ranks(owner)
    return np.where(
        rank < steps[owner], begins[mine[owner]] + rank, share.pick(random.random(len(owner)))
    ).astype(np.int64)


def _ranks(owner: Ints) -> Ints:
    """For each row, how many rows of its owner come before it.

    >>> _ranks(np.array([5, 3, 5, 5, 3])).tolist()
    [0, 0, 1, 2, 1]
    """
    order = np.argsort(owner, kind="stable")
    grouped = owner[order]
    place = np.arange(len(owner))
    begins = np.flatnonzero(np.diff(grouped, prepend=-1))
    ranks = np.empty(len(owner), dtype=np.int64)
    ranks[order] = place - np.repeat(begins, np.diff(np.append(begins, len(owner))))
    return ranks
