"""The arithmetic of a day at scale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scale import COSTS, Job, Load, core_hours, ends_up_to, jobs, profile, simulate

STEADY = Load(events=86_400 * 1_000, peak=1_000, partitions=10, flush_seconds=10)


@pytest.mark.parametrize(("events", "peak"), [(1e9, 50_000), (1e9, 12_000), (1e6, 5_000)])
def test_a_profile_has_the_sum_and_the_peak_that_it_is_asked_for(
    events: float, peak: float
) -> None:
    rates = profile(events, peak)
    assert 60 * sum(rates) == pytest.approx(events, rel=1e-4)
    assert max(rates) == peak
    assert rates[20 * 60] == peak


def test_a_peak_below_the_mean_is_refused() -> None:
    with pytest.raises(ValueError, match="below the mean"):
        profile(86_400 * 10, 9)


def test_an_even_day_has_a_commit_for_each_partition_and_interval() -> None:
    found = simulate(STEADY)
    assert found.commits == pytest.approx(86_400 * 10 / 10, rel=1e-3)
    assert found.most_commits_a_second == pytest.approx(1)
    assert found.intake_cores_at_peak == pytest.approx(1_000 * COSTS["intake"].value / 1e6)


def test_full_slices_are_committed_before_the_interval_has_passed() -> None:
    slow = simulate(replace(STEADY, slice_mib=1, flush_seconds=1e6))
    events_of_a_slice = (1 << 20) / COSTS["event"].value
    assert slow.commits == pytest.approx(STEADY.events / events_of_a_slice, rel=1e-3)


def test_commits_grow_with_files_in_an_object_store_only() -> None:
    local, store = (simulate(replace(STEADY, object_store=of)) for of in (False, True))
    assert local.over_a_core_from is None
    assert local.most_commit_cores == pytest.approx(COSTS["commit, local"].value / 1e3)
    assert store.most_commit_cores > 100 * local.most_commit_cores
    assert store.over_a_core_from is not None
    assert store.most_files == local.most_files > 86_400


def test_a_job_ends_up_to_the_size_at_which_it_fills_its_time() -> None:
    job = Job("seal", "seal", 2, 5)
    assert core_hours(job, ends_up_to(job)) == pytest.approx(5)
    assert core_hours(job, 1e9) == pytest.approx(2 * 1e9 * COSTS["seal"].value / 1e6 / 3600)


def test_every_job_has_a_unit_cost() -> None:
    assert {job.cost for job in jobs(Load())} <= set(COSTS)
