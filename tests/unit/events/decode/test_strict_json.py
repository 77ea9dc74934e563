"""JSON of one message: numbers as they were written, and a depth that a format may raise."""

from __future__ import annotations

import pytest

from pipeline.events.decode.strict_json import Refused, StrictJson, Written
from pipeline.events.model import Reason


def test_numbers_are_given_as_they_were_written_on_request() -> None:
    assert StrictJson(as_written=True).read(b"[1.50, 2e1, true]") == [
        Written("1.50"),
        Written("2e1"),
        True,
    ]
    assert StrictJson().read(b"[1.50, 2]") == [1.5, 2]


@pytest.mark.parametrize("as_written", [True, False])
def test_a_number_out_of_range_is_refused_either_way(as_written: bool) -> None:
    for text in (b"1e999", b"9223372036854775808"):
        with pytest.raises(Refused) as caught:
            StrictJson(as_written=as_written).read(text)
        assert caught.value.reason is Reason.NUMBER_OUT_OF_RANGE


def test_the_depth_is_six_unless_more_is_allowed() -> None:
    deep = b"[" * 16 + b"]" * 16
    assert StrictJson(depth=16).read(deep)
    with pytest.raises(Refused) as caught:
        StrictJson().read(deep)
    assert caught.value.reason is Reason.TOO_DEEP
