"""A list that is not known pauses a continuous run, and ends one that reads to the end."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from pipeline.errors import OptOutPaused, OptOutStale, TelemetryError
from pipeline.flow.steps.optout_watch import OptOutWatch
from pipeline.metrics import Metrics
from pipeline.privacy.optout import OptOutState
from tests.unit.flow.world import NOW


@dataclass
class Listed:
    """A list whose answers are given: None answers, an error is raised."""

    answers: list[Exception | None]
    calls: list[str] = field(default_factory=list)

    def load(self) -> OptOutState:
        self.calls.append("load")
        return self._answer()

    def refresh(self, now: datetime) -> OptOutState:
        self.calls.append("refresh")
        return self._answer()

    def age(self, now: datetime) -> timedelta | None:
        return timedelta(seconds=7)

    def _answer(self) -> OptOutState:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return OptOutState()


def watch(listed: Listed, *, waits: bool) -> OptOutWatch:
    return OptOutWatch(listed, Metrics(), waits=waits)


def test_the_list_is_read_to_its_end_once_and_then_brought_up_to_date() -> None:
    listed = Listed([None] * 3)
    watching = watch(listed, waits=True)
    assert watching.standing(NOW) == OptOutState()
    assert watching.standing(NOW) == OptOutState()
    assert listed.calls == ["load", "refresh", "refresh"]


def test_a_pause_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    paused = OptOutPaused("the broker of the opt-out list does not answer")
    watching = watch(Listed([None, paused, paused, None, None]), waits=True)
    with caplog.at_level(logging.WARNING):
        found = [watching.standing(NOW) for _ in range(4)]
    assert found == [None, None, OptOutState(), OptOutState()]
    assert len(caplog.records) == 2


def test_a_pause_before_the_list_was_ever_read_loads_it_again() -> None:
    listed = Listed([OptOutPaused("no answer"), None, None])
    watching = watch(listed, waits=True)
    assert watching.standing(NOW) is None
    assert watching.standing(NOW) == OptOutState()
    assert listed.calls == ["load", "load", "refresh"]


@pytest.mark.parametrize("kind", [OptOutPaused, OptOutStale])
def test_a_run_that_does_not_wait_ends(kind: type[TelemetryError]) -> None:
    watching = watch(Listed([None, kind("the list is not known")]), waits=False)
    with pytest.raises(kind):
        watching.standing(NOW)


def test_a_list_that_somebody_has_to_repair_ends_every_run() -> None:
    watching = watch(Listed([None, OptOutStale("the list is too old")]), waits=True)
    with pytest.raises(OptOutStale):
        watching.standing(NOW)


def test_the_age_of_the_list_is_shown_during_a_pause_too() -> None:
    metrics = Metrics()
    watching = OptOutWatch(Listed([None, OptOutPaused("no answer")]), metrics, waits=True)
    assert watching.standing(NOW) is None
    assert metrics.registry.get_sample_value("telemetry_optout_age_seconds") == 7
