"""Times and dates in messages: RFC 3339 text to UTC microseconds, ISO dates to days.

Part of the specification: the kernel reads times and dates exactly like this. Nothing here
raises: what is not a time is None.

Accepted: `T` or `t`, `Z` or `z` or `+hh:mm`, any number of fraction digits (cut to microseconds,
never rounded). A leap second (`:60`) becomes the last microsecond of its minute. A time without
a zone, a local date, and anything before 1970 or after 9999 (in UTC) is not a time.
"""

from __future__ import annotations

import re
from datetime import date

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_LAST = (date(9999, 12, 31).toordinal() - _EPOCH_ORDINAL + 1) * _DAY - 1


def parse_time(text: str) -> int | None:
    """Microseconds since 1970-01-01 UTC, or None if `text` is not an RFC 3339 time.

    >>> parse_time("1970-01-01T01:00:00.0000019+01:00"), parse_time("1970-01-01T00:00:00")
    (1, None)
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    days = _days(int(year), int(month), int(day))
    clock = (int(hour), int(minute), int(second))
    if days is None or clock > (23, 59, 60) or clock[1] > 59 or clock[2] > 60:
        return None
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    if clock[2] == 60:
        clock, micros = (clock[0], clock[1], 59), 999_999
    offset = 0
    if sign is not None:
        if int(off_hour) > 23 or int(off_minute) > 59:
            return None
        offset = (int(off_hour) * 60 + int(off_minute)) * (-60 if sign == "-" else 60)
    seconds = days * 86_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2] - offset
    value = seconds * _SECOND + micros
    return value if 0 <= value <= _LAST else None


def parse_date(text: str) -> int | None:
    """Days since 1970-01-01, or None if `text` is not an ISO date from 1970 on.

    >>> parse_date("1970-01-02"), parse_date("2023-02-29")
    (1, None)
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    days = _days(int(match[1]), int(match[2]), int(match[3]))
    return days if days is not None and days >= 0 else None


def _days(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
