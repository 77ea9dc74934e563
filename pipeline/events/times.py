"""Times and dates in messages: RFC 3339 text to UTC microseconds, ISO dates to days.

Each parser exists twice, for one text and for a column, and both give the same answers: the
column parser does the layouts that producers normally write by arithmetic on bytes, and hands
everything else to the other. Nothing here raises: what is not a time is None or null.

Accepted: `T` or `t`, `Z` or `z` or `+hh:mm`, any number of fraction digits (cut to microseconds,
never rounded). A leap second (`:60`) becomes the last microsecond of its minute. A time without
a zone, a local date, and anything before 1970 or after 9999 (in UTC) is not a time.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_LAST = (date(9999, 12, 31).toordinal() - _EPOCH_ORDINAL + 1) * _DAY - 1
_MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)

_DATE_LENGTH = 10
_FRACTION_AT = 20
_NORMAL_LENGTHS = range(_FRACTION_AT, 36)
"""`2024-05-01T10:00:00Z` to `2024-05-01T10:00:00.123456789+00:00`."""


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


def parse_times(column: pa.StringArray) -> pa.TimestampArray:
    """`parse_time` for a column; null where it gives None."""
    values, valid = _parse_column(column, _NORMAL_LENGTHS)
    return _typed(values, valid, pa.timestamp("us", tz="UTC"))


def parse_dates(column: pa.StringArray) -> pa.Date32Array:
    """`parse_date` for a column; null where it gives None."""
    values, valid = _parse_column(column, range(_DATE_LENGTH, _DATE_LENGTH + 1))
    return _typed(values.astype(np.int32), valid, pa.date32())


def _typed(values: npt.NDArray[np.integer], valid: Flags, kind: pa.DataType) -> pa.Array:
    return pa.array(values, mask=None if valid.all() else ~valid).view(kind)


def _parse_column(column: pa.StringArray, lengths: range) -> tuple[Ints, Flags]:
    """Value and validity for each row; `lengths` are those of the layouts done by arithmetic."""
    count = len(column)
    values = np.zeros(count, np.int64)
    valid = np.zeros(count, np.bool_)
    if column.null_count == count:
        return values, valid
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[column.offset : column.offset + count + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.zeros(0, np.uint8)
    sizes = np.diff(offsets)
    present = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
    rest = np.ones(count, np.bool_) if present is None else present.copy()
    for length in np.unique(sizes):
        if length not in lengths:
            continue
        rows = np.flatnonzero((sizes == length) & rest)
        if len(rows) == count:
            grid = data[offsets[0] : offsets[-1]].reshape(count, length)
        else:
            grid = data[offsets[rows][:, None] + np.arange(length)]
        found, sure = _dates(grid) if length == _DATE_LENGTH else _times(grid)
        values[rows[sure]] = found[sure]
        valid[rows[sure]] = True
        rest[rows[sure]] = False
    parse = parse_date if lengths.start == _DATE_LENGTH else parse_time
    for row in np.flatnonzero(rest):
        value = parse(column[row].as_py())
        if value is not None:
            values[row], valid[row] = value, True
    return values, valid


def _number(digits: Bytes, start: int, stop: int) -> Ints:
    total = digits[:, start].astype(np.int64)
    for place in range(start + 1, stop):
        total *= 10
        total += digits[:, place]
    return total


def _all_digits(digits: Bytes, *spans: tuple[int, int]) -> Flags:
    good = np.ones(len(digits), np.bool_)
    for start, stop in spans:
        for place in range(start, stop):
            good &= digits[:, place] <= 9
    return good


def _dates(grid: Bytes) -> tuple[Ints, Flags]:
    """Days for rows `YYYY-MM-DD...`, and which of them are surely dates from 1970 on."""
    digits = grid - np.uint8(48)
    good = _all_digits(digits, (0, 4), (5, 7), (8, 10))
    good &= (grid[:, 4] == ord("-")) & (grid[:, 7] == ord("-"))
    year, month, day = _number(digits, 0, 4), _number(digits, 5, 7), _number(digits, 8, 10)
    good &= (year >= 1970) & (month >= 1) & (month <= 12) & (day >= 1)
    good &= day <= _MONTH_DAYS[np.minimum(month, 12)]
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    good &= leap | (month != 2) | (day != 29)
    # Days from a civil date with years that begin in March (H. Hinnant, chrono algorithms).
    shifted = year - (month <= 2)
    within = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + within - 719_468
    return days, good


def _times(grid: Bytes) -> tuple[Ints, Flags]:
    """Microseconds for rows of one length, and which of them are surely times."""
    values = np.zeros(len(grid), np.int64)
    sure = np.zeros(len(grid), np.bool_)
    zulu = (grid[:, -1] | 32) == ord("z")
    for rows, suffix in ((np.flatnonzero(zulu), 1), (np.flatnonzero(~zulu), 6)):
        if len(rows) and grid.shape[1] - suffix >= _FRACTION_AT - 1:
            part = grid if len(rows) == len(grid) else grid[rows]
            values[rows], sure[rows] = _times_of_layout(part, suffix)
    return values, sure


def _times_of_layout(grid: Bytes, suffix: int) -> tuple[Ints, Flags]:
    days, good = _dates(grid)
    digits = grid - np.uint8(48)
    end = grid.shape[1] - suffix
    good &= (grid[:, 10] | 32) == ord("t")
    good &= (grid[:, 13] == ord(":")) & (grid[:, 16] == ord(":"))
    good &= _all_digits(digits, (11, 13), (14, 16), (17, 19), (_FRACTION_AT, end))
    hour, minute, second = _number(digits, 11, 13), _number(digits, 14, 16), _number(digits, 17, 19)
    good &= (hour <= 23) & (minute <= 59) & (second <= 59)  # :60 is for `parse_time`
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
    micros = np.zeros(len(grid), np.int64)
    if end > _FRACTION_AT:
        kept = min(end, _FRACTION_AT + 6)
        good &= grid[:, 19] == ord(".")
        micros = _number(digits, _FRACTION_AT, kept) * 10 ** (6 - (kept - _FRACTION_AT))
    else:
        good &= np.bool_(end == _FRACTION_AT - 1)
    if suffix == 6:
        good &= (grid[:, end] == ord("+")) | (grid[:, end] == ord("-"))
        good &= (grid[:, end + 3] == ord(":")) & _all_digits(
            digits, (end + 1, end + 3), (end + 4, end + 6)
        )
        off_hour, off_minute = _number(digits, end + 1, end + 3), _number(digits, end + 4, end + 6)
        good &= (off_hour <= 23) & (off_minute <= 59)
        offset = (off_hour * 60 + off_minute) * 60
        seconds -= np.where(grid[:, end] == ord("-"), -offset, offset)
    values = seconds * _SECOND + micros
    return values, good & (values >= 0) & (values <= _LAST)
