"""Times are floored: to the day and hour of an event, and to the class of an account's age."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.privacy.values.ages import (
    ACCOUNT_AGES,
    DAY_US,
    FUTURE,
    HOUR_US,
    account_ages,
    days_and_hours,
)


@pytest.mark.parametrize(
    ("moment", "day", "hour"),
    [
        (0, 0, 0),
        (HOUR_US - 1, 0, 0),
        (HOUR_US, 0, 1),
        (DAY_US - 1, 0, 23),
        (DAY_US, 1, 0),
        (-1, -1, 23),
        (-DAY_US, -1, 0),
    ],
)
def test_a_time_is_floored_to_its_day_and_hour(moment: int, day: int, hour: int) -> None:
    """Also before 1970, where cutting digits off would round up."""
    days, hours = days_and_hours(np.array([moment]))
    assert (days.tolist(), hours.tolist()) == ([day], [hour])


def ages(*created: int, valid: list[bool] | None = None) -> tuple[list[int], dict[str, int]]:
    """Codes and counts for accounts that were created so many days before their event."""
    mask = None if valid is None else np.array(valid)
    codes, nulled = account_ages(-np.array(created), np.zeros(len(created), np.int64), mask)
    return codes.tolist(), nulled


def test_a_class_begins_on_its_first_day() -> None:
    assert ages(0, 6, 7, 29, 30, 89, 90, 10**6) == ([0, 0, 1, 1, 2, 2, 3, 3], {})
    assert len(ACCOUNT_AGES) == 4


def test_an_account_from_after_its_event_has_no_age_and_is_counted() -> None:
    assert ages(-1, 3, -9) == ([4, 0, 4], {FUTURE: 2})


def test_a_missing_day_has_no_age_and_is_not_counted() -> None:
    assert ages(-1, 3, -9, valid=[False, False, True]) == ([4, 4, 4], {FUTURE: 1})
