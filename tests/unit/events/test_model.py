"""What moves through the pipeline accounts for every message and shows none of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.events.model import (
    NONE_REJECTED,
    REJECTED,
    CleanBatch,
    Drop,
    Mark,
    RawBatch,
    Reason,
    Slice,
    Span,
)

SECRET = "alice@example.com"
SPAN = Span("kafka", "sessions", 3, 10, 14)
ROWS = pa.RecordBatch.from_pydict({"account_id": [SECRET, SECRET]})
REFUSED = pa.RecordBatch.from_pylist(
    [{"offset": 12, "size": 7, "stage": "decode", "reason": Reason.NOT_JSON.value}],
    schema=REJECTED,
)


def whole(kind: type[RawBatch] | type[CleanBatch]) -> RawBatch | CleanBatch:
    return kind(SPAN, "session", 4, ROWS, REFUSED, {Drop.OPT_OUT: 1})


@pytest.mark.parametrize("kind", [RawBatch, CleanBatch])
def test_rows_refusals_and_drops_add_up_to_what_was_read(
    kind: type[RawBatch] | type[CleanBatch],
) -> None:
    batch = whole(kind)
    for wrong in (
        {"read": 5},
        {"rows": ROWS.slice(1)},
        {"rejected": NONE_REJECTED},
        {"dropped": {Drop.OPT_OUT: 1, Drop.SIGNAL: 1}},
    ):
        with pytest.raises(AssertionError, match="do not add up"):
            replace(batch, **wrong)


def test_a_value_that_became_null_is_no_message() -> None:
    assert replace(whole(RawBatch), nulled={("rtt_ms", "negative"): 9}).read == 4


def test_nothing_shows_what_it_carries() -> None:
    data = SECRET.encode()
    bounds = np.array([0]), np.array([len(data)]), np.array([10])
    raw = Slice(SPAN, "session", data, *bounds)
    assert len(raw) == 1
    for value in (raw, whole(RawBatch), whole(CleanBatch)):
        assert "alice" not in f"{value!r} {value} {value:}"
        assert "sessions" in repr(value)


def test_a_position_belongs_to_a_source_a_topic_and_a_partition() -> None:
    assert SPAN.app_id == "kafka/sessions/3"
    others = [
        Span("files", "sessions", 3, 10, 14),
        Span("kafka", "errors", 3, 10, 14),
        Span("kafka", "sessions", 4, 10, 14),
    ]
    assert len({SPAN.app_id, *(span.app_id for span in others)}) == 4
    later = replace(SPAN, start=14, stop=20, marks=(Mark("kafka/sessions/3/id", None, -5),))
    assert later.app_id == SPAN.app_id


def test_a_raw_batch_is_not_a_clean_one() -> None:
    assert not isinstance(whole(RawBatch), CleanBatch)
    assert not isinstance(whole(CleanBatch), RawBatch)


def test_an_empty_account_has_the_columns_of_a_full_one() -> None:
    assert NONE_REJECTED.schema.equals(REFUSED.schema)
    assert {"offset", "size", "stage", "reason"} == set(REJECTED.names)
