"""A standing is written one way, read back whole, and refused where anything is not understood."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.io.standings.entries import (
    MalformedStanding,
    decode,
    encode,
    erased,
    forgotten,
    opted_in,
    opted_out,
    released,
    restricted,
    to_micros,
    to_text,
)
from pipeline.privacy.optout import Standing

TOKEN = "0123456789abcdef" * 2
FULL = Standing(intervals=((10, 20), (30, None)), erased_at=40, restricted=50)


@pytest.mark.parametrize("standing", [Standing(), FULL, Standing(intervals=((5, 5),))])
def test_a_standing_is_read_back_as_it_was_written(standing: Standing) -> None:
    line = encode(TOKEN, standing, 60)
    assert decode(line) == decode(line.encode()) == (TOKEN, standing)
    assert "\n" not in line


def test_times_are_utc_to_the_microsecond() -> None:
    noon = datetime(2026, 11, 24, 12, 0, 0, 7, tzinfo=UTC)
    assert to_text(to_micros(noon)) == "2026-11-24T12:00:00.000007Z"
    assert to_micros(noon.astimezone(timezone(timedelta(hours=5)))) == to_micros(noon)


def line(**changes: object) -> str:
    data = {**json.loads(encode(TOKEN, FULL, 60)), **changes}
    return json.dumps({name: value for name, value in data.items() if value != "gone"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"alice"',
        "[" * 100_000,
        line(at="gone"),
        line(extra=1),
        line(token="gone"),
        line(token=TOKEN.upper()),
        line(token=TOKEN[:-1]),
        line(token=7),
        line(at=60),
        line(at="2026-11-24"),
        line(at="2026-11-24T12:00:00"),
        line(at="2026-11-24T12:00:00+00:00"),
        line(at="2026-13-24T12:00:00Z"),
        line(erased=True),
        line(restricted=""),
        line(intervals=None),
        line(intervals=[["2026-11-24T12:00:00Z"]]),
        line(intervals=[[None, None]]),
        line(intervals=[["2026-11-24T12:00:00Z", "2026-11-24T11:00:00Z"]]),
        line(intervals={"a": "b"}),
    ],
)
def test_a_line_that_is_not_understood_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(MalformedStanding) as caught:
        decode(text)
    assert caught.value.args == ()
    assert caught.value.__cause__ is None


def test_an_opt_out_begins_once_and_ends_once() -> None:
    out = opted_out(Standing(), 10)
    assert out.intervals == ((10, None),)
    assert opted_out(out, 15) is out
    back = opted_in(out, 20)
    assert back.intervals == ((10, 20),)
    assert opted_in(back, 25) is back
    assert opted_in(Standing(), 5) == Standing()
    assert opted_out(back, 30).intervals == ((10, 20), (30, None))


def test_an_opt_out_does_not_end_before_it_began() -> None:
    """The clock that wrote its beginning was ahead."""
    assert opted_in(opted_out(Standing(), 10), 5).intervals == ((10, 10),)


def test_the_first_request_counts() -> None:
    assert erased(erased(Standing(), 10), 20).erased_at == 10
    assert restricted(restricted(Standing(), 10), 20).restricted == 10
    assert released(restricted(Standing(), 10), 20) == Standing()


def test_what_is_still_wanted_outlasts_an_erasure() -> None:
    assert forgotten(FULL, 99) == Standing(intervals=((30, None),), restricted=50)
    assert forgotten(Standing(intervals=((10, 20),), erased_at=5), 99) == Standing()
