"""JSON texts of values that came from elsewhere."""

from __future__ import annotations

import pytest

from pipeline.events.decode.strict_json import Refused
from pipeline.events.model import Reason
from pipeline.events.wire.model import as_json


def test_bytes_are_null_and_texts_stay_what_they_are() -> None:
    assert as_json({"a": 'é"', "b": b"raw"}) == '{"a":"é\\"","b":null}'.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_refuses_the_message(number: float) -> None:
    with pytest.raises(Refused) as refused:
        as_json({"a": [number]})
    assert refused.value.reason is Reason.NUMBER_OUT_OF_RANGE
