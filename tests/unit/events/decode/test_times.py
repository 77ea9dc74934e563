"""Times and dates as the specification reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.decode.times import parse_date, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1)),
    st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)),
)
def test_a_time_written_by_python_is_read_as_that_time(moment: datetime, offset: timedelta) -> None:
    minutes = timedelta(minutes=offset // timedelta(minutes=1))
    sign = "-" if minutes < timedelta(0) else "+"
    hours, rest = divmod(abs(minutes) // timedelta(minutes=1), 60)
    text = f"{moment.isoformat()}{sign}{hours:02}:{rest:02}"
    true = (moment.replace(tzinfo=UTC) - minutes - EPOCH) // timedelta(microseconds=1)
    assert parse_time(text) == true


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_time(text)
    parse_date(text)


@pytest.mark.parametrize("fraction", ["9", "999999", "9999999", "999999999999", "9" * 300])
def test_a_fraction_is_cut_and_never_rounded(fraction: str) -> None:
    value = parse_time(f"1970-01-01T00:00:00.{fraction}Z")
    assert value == int(fraction[:6].ljust(6, "0"))


def test_a_leap_second_is_the_last_microsecond_of_its_minute() -> None:
    assert parse_time("2016-12-31T23:59:60.25Z") == parse_time("2016-12-31T23:59:59.999999Z")
