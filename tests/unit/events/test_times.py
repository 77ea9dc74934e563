"""Times and dates: the column parsers give what the text parsers give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.times import parse_date, parse_dates, parse_time, parse_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Texts that are times, or nearly."""
    part = st.integers(0, 99).map(lambda number: f"{number:02}")
    plausible = st.sampled_from(["00", "01", "02", "12", "23", "28", "29", "30", "31", "59", "60"])
    two = st.one_of(plausible, plausible, part)
    year = draw(st.sampled_from(["1969", "1970", "2000", "2023", "2024", "2100", "9999", "0000"]))
    text = f"{year}-{draw(two)}-{draw(two)}"
    text += draw(st.sampled_from("TTTt "))
    text += f"{draw(two)}:{draw(two)}:{draw(two)}"
    text += draw(st.one_of(st.just(""), st.from_regex(r"\.[0-9]{0,12}", fullmatch=True)))
    zones = ["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+24:00", "+00:60", "", "+0000"]
    text += draw(st.sampled_from(zones))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        text = (
            text[:at] + draw(st.sampled_from(["x", " ", "", "-", ":", "٣", "é"])) + text[at + 1 :]
        )
    return text


@given(st.lists(st.none() | texts() | st.text(max_size=24), max_size=12), st.integers(0, 3))
def test_the_column_parser_agrees_with_the_text_parser(found: list[str | None], skip: int) -> None:
    column = pa.array(found, pa.string())[skip:]
    times = parse_times(column)
    assert times.type == pa.timestamp("us", tz="UTC")
    expected = [None if text is None else parse_time(text) for text in found[skip:]]
    assert times.cast(pa.int64()).to_pylist() == expected


@given(st.lists(st.none() | texts().map(lambda text: text[:10]) | st.text(max_size=10), max_size=9))
def test_the_column_parser_of_dates_agrees_with_the_text_parser(found: list[str | None]) -> None:
    dates = parse_dates(pa.array(found, pa.string()))
    expected = [None if text is None else parse_date(text) for text in found]
    assert dates.cast(pa.int32()).to_pylist() == expected


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
    assert parse_times(pa.array([text])).cast(pa.int64()).to_pylist() == [true]


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


@pytest.mark.parametrize("column", [[], [None, None], [""], ["", None]])
def test_columns_without_a_time_are_null(column: list[str | None]) -> None:
    assert parse_times(pa.array(column, pa.string())).null_count == len(column)
    assert parse_dates(pa.array(column, pa.string())).null_count == len(column)
