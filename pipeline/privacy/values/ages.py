"""Times reduced: the day and hour of an event, and how old an account was on that day."""

from __future__ import annotations

import numpy as np

from pipeline.privacy.columns import Bools, Codes, Ints

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
ACCOUNT_AGES = ("0-6", "7-29", "30-89", "90+")
FUTURE = "after_event"

_FIRST_DAYS = (7, 30, 90)
"""Where each class but the first begins."""


def days_and_hours(event_us: Ints) -> tuple[Ints, Ints]:
    """UTC day (since 1970-01-01) and hour of times in microseconds; floored, never rounded."""
    days = event_us // DAY_US
    return days, (event_us - days * DAY_US) // HOUR_US


def account_ages(
    created_days: Ints, event_days: Ints, valid: Bools | None
) -> tuple[Codes, dict[str, int]]:
    """Index into `ACCOUNT_AGES` of each account on the day of its event; the last + 1 is null.

    An account that was opened after the event's day has no age: null, and counted.
    """
    age = event_days - created_days
    codes = np.searchsorted(_FIRST_DAYS, age, side="right").astype(np.int32)
    future = age < 0
    if valid is not None:
        future &= valid
        codes[~valid] = len(ACCOUNT_AGES)
    count = int(np.count_nonzero(future))
    codes[future] = len(ACCOUNT_AGES)
    return codes, {FUTURE: count} if count else {}
