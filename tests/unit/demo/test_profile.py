"""The demo's mix: shares add up, sampling follows them, every name is one of the catalogue."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.cli.commands.generate import load_profile
from pipeline.demo.profile import quoted
from pipeline.io.package_data import load_catalogue

PROFILE = load_profile()


@pytest.mark.parametrize("name", sorted(PROFILE.shares))
def test_shares_rise_to_one(name: str) -> None:
    share = PROFILE.shares[name]
    assert len(share.words) == len(share.cumulative)
    assert np.all(np.diff(share.cumulative) >= 0)
    assert share.cumulative[-1] == 1.0
    assert share.pick(np.array([0.0])).tolist() == [int(np.argmax(share.cumulative > 0))]


def test_what_is_picked_follows_the_shares() -> None:
    share = PROFILE.shares["models"]
    picked = share.pick(np.random.default_rng(1).random(200_000))
    found = np.bincount(picked, minlength=len(share.words)) / len(picked)
    expected = np.diff(share.cumulative, prepend=0.0)
    assert np.abs(found - expected).max() < 0.01


def test_tuples_and_their_shares_are_of_one_length() -> None:
    for name in ("routes", "statuses", "errors", "clients", "feature_actions"):
        assert len(getattr(PROFILE, name)) == len(PROFILE.shares[name].words), name


def test_the_demo_speaks_of_what_the_catalogue_lists() -> None:
    catalogue = load_catalogue()
    listed = {name for values in vars_of(catalogue) for name in values}
    for name in ("models", "regions", "plans"):
        assert set(PROFILE.shares[name].words) - {"other"} <= listed, name


def vars_of(catalogue: object) -> list[tuple[str, ...]]:
    """Every closed list of a catalogue, as texts."""
    found: list[tuple[str, ...]] = []
    for slot in type(catalogue).__dataclass_fields__:  # type: ignore[attr-defined]
        value = getattr(catalogue, slot)
        lists = value.values() if hasattr(value, "values") else [value]
        for one in lists:
            if isinstance(one, tuple | list | set | frozenset):
                found.append(tuple(str(item) for item in one))
    return found


@pytest.mark.parametrize("text", ["plain", 'a "quote"', "back\\slash", "zürich"])
def test_a_text_is_quoted_as_json(text: str) -> None:
    assert json.loads(quoted(text)) == text
