"""A shard's turns: never falsy, split at zero from any thread, done after the end or a split."""

from __future__ import annotations

import threading

import pytest
from apache_beam.runners.sdf_utils import ThreadsafeRestrictionTracker
from apache_beam.utils.timestamp import Duration

from pipeline.flow.steps.restriction import Claim, Turns, TurnsCoder, TurnsProvider, TurnsTracker
from pipeline.io.source import Shard

SHARD = Shard("logs", 0, 1)


@pytest.mark.parametrize("left", [True, False])
def test_a_restriction_is_truthy(left: bool) -> None:
    assert bool(Turns(left)) is True


def test_a_shard_is_truthy() -> None:
    assert bool(Shard("", 0, 0)) is True


def test_slices_are_granted_until_the_end_is_claimed() -> None:
    tracker = TurnsTracker(Turns())
    assert all(tracker.try_claim(Claim.SLICE) for _ in range(3))
    assert tracker.try_claim(Claim.END)
    assert not tracker.try_claim(Claim.SLICE)
    assert tracker.check_done()


def test_returning_with_turns_left_is_a_defect() -> None:
    with pytest.raises(ValueError, match="turns left"):
        TurnsTracker(Turns()).check_done()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_only_the_rest_can_be_split_off(fraction: float) -> None:
    assert TurnsTracker(Turns()).try_split(fraction) is None


def test_after_a_split_the_residual_has_all_turns() -> None:
    tracker = TurnsTracker(Turns())
    assert tracker.try_split(0) == (Turns(left=False), Turns())
    assert not tracker.try_claim(Claim.SLICE)
    assert tracker.try_split(0) is None
    assert tracker.check_done()


def test_a_runner_may_split_from_another_thread_before_anything_was_claimed() -> None:
    tracker = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(tracker.try_split(0)))
    thread.start()
    thread.join()
    assert results == [(Turns(left=False), Turns())]
    assert not tracker.try_claim(Claim.SLICE)
    assert tracker.check_done()


def test_a_deferred_rest_is_not_dropped() -> None:
    tracker = ThreadsafeRestrictionTracker(TurnsTracker(Turns()))
    assert tracker.try_claim(Claim.SLICE)
    tracker.defer_remainder(Duration(2))
    assert tracker.check_done()
    deferred = tracker.deferred_status()
    assert deferred is not None
    assert deferred[0] == Turns()


def test_a_drain_takes_the_turns_away() -> None:
    assert TurnsProvider().truncate(SHARD, Turns()) is None


def test_a_shard_is_unbounded() -> None:
    assert not TurnsTracker(Turns()).is_bounded()


@pytest.mark.parametrize("left", [True, False])
def test_restrictions_travel_as_one_byte(left: bool) -> None:
    coder = TurnsCoder()
    assert coder.is_deterministic()
    assert len(coder.encode(Turns(left))) == 1
    assert coder.decode(coder.encode(Turns(left))) == Turns(left)
