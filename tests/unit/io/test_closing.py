"""The end of a `with` closes, also when something was raised in it."""

from __future__ import annotations

import pytest

from pipeline.io.closing import Closing


class Counted(Closing):
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_the_end_of_a_with_closes_it() -> None:
    with Counted() as one:
        assert (type(one), one.closed) == (Counted, 0)
    assert one.closed == 1


def test_what_was_raised_goes_on_after_it_is_closed() -> None:
    one = Counted()
    with pytest.raises(ValueError, match="inside"), one:
        raise ValueError("inside")
    assert one.closed == 1
