"""The calendar of key epochs."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from pipeline.errors import SettingsError
from pipeline.privacy.identity.epochs import ORIGIN, Epoch, EpochKind, epoch_indices, epoch_of


def test_epochs_are_counted_from_a_monday() -> None:
    assert date(2024, 1, 1) == ORIGIN
    assert ORIGIN.weekday() == 0


@pytest.mark.parametrize(("kind", "days"), [("day", 1), ("week", 7), ("4weeks", 28)])
def test_epochs_follow_each_other_without_gap(kind: str, days: int) -> None:
    epochs = [Epoch(EpochKind(kind), index) for index in range(100)]
    for epoch, following in pairwise(epochs):
        assert (epoch.last_day - epoch.first_day).days == days - 1
        assert following.first_day == epoch.last_day + timedelta(days=1)
        assert {epoch_of(day, epoch.kind) for day in (epoch.first_day, epoch.last_day)} == {epoch}


@pytest.mark.parametrize(
    ("day", "kind", "name"),
    [
        (date(2024, 1, 1), "4weeks", "4weeks-0000"),
        (date(2024, 1, 28), "4weeks", "4weeks-0000"),
        (date(2024, 1, 29), "4weeks", "4weeks-0001"),
        (date(2024, 1, 7), "week", "week-0000"),
        (date(2024, 1, 8), "week", "week-0001"),
        (date(2024, 2, 29), "day", "day-0059"),
        (date(2026, 11, 24), "4weeks", "4weeks-0037"),
        (date(2051, 5, 19), "day", "day-10000"),
    ],
)
def test_names_can_be_read_back(day: date, kind: str, name: str) -> None:
    epoch = epoch_of(day, EpochKind(kind))
    assert epoch.name == name
    assert Epoch.parse(name) == epoch


@pytest.mark.parametrize(
    "name",
    [
        "",
        "4weeks",
        "4weeks-1",
        "4weeks-00001",
        "month-0001",
        "4weeks--001",
        "day-0001\n",
        "day-٠٠٠١",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        Epoch.parse(name)


def test_there_is_no_epoch_before_the_first() -> None:
    for kind in EpochKind:
        with pytest.raises(SettingsError):
            epoch_of(date(2023, 12, 31), kind)


def test_indices_of_a_column_are_those_of_its_days() -> None:
    first = date(1969, 12, 1)
    numbers = np.arange(-31, 30_000, dtype=np.int64)
    for kind in EpochKind:
        found = epoch_indices(numbers, kind)
        for number, index in zip(numbers[::37].tolist(), found[::37].tolist(), strict=True):
            day = first + timedelta(days=number + 31)
            expected = (day - ORIGIN).days // kind.days
            assert index == expected
            assert index < 0 or epoch_of(day, kind).index == index
