"""The fallback decodes message by message, as the specification says, and never raises."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pipeline.events.decode.columns import Columns
from pipeline.events.decode.record_by_record import RecordByRecord
from pipeline.events.model import Reason
from pipeline.io.package_data import load_schemas
from tests.unit.flow.world import event

VERSIONS = load_schemas()["api_request"]
NAMES = VERSIONS[-1].raw.names


def decoded(*messages: bytes) -> Columns:
    """Decode messages with a byte between each two that belongs to none."""
    data = b"?".join(messages)
    ends = np.cumsum([len(message) + 1 for message in messages]) - 1
    starts = np.array([0, *(ends[:-1] + 1)])[: len(messages)]
    return RecordByRecord(VERSIONS).decode(data, starts, ends)


def column(columns: Columns, name: str) -> list[Any]:
    found: list[Any] = columns.arrays[NAMES.index(name)].to_pylist()
    return found


def test_messages_become_rows_in_their_order() -> None:
    columns = decoded(event(1, status=200), event(2))
    assert columns.rows == 2
    assert column(columns, "event_id") == ["e1", "e2"]
    assert column(columns, "status") == [200, None]
    assert len(columns.refused) == 0


def test_a_message_that_is_none_is_refused_with_its_number_and_reason() -> None:
    columns = decoded(b"", event(1), b"{", b'"text"', event(2), b"\xff")
    assert columns.rows == 2
    assert columns.refused.tolist() == [0, 2, 3, 5]
    assert columns.reasons == [
        Reason.EMPTY,
        Reason.NOT_JSON,
        Reason.NOT_OBJECT,
        Reason.NOT_UTF8,
    ]


def test_a_value_that_cannot_be_read_is_null_and_counted_by_its_column() -> None:
    columns = decoded(event(1, status="alice"), event(2, status="bob"), event(3, status=200))
    assert column(columns, "status") == [None, None, 200]
    assert columns.nulled == {(NAMES.index("status"), Reason.INVALID_TYPE): 2}


def test_no_messages_are_empty_columns_of_the_right_types() -> None:
    columns = decoded()
    assert columns.rows == 0
    fields = VERSIONS[-1].raw
    assert [array.type for array in columns.arrays] == [
        fields[at].type for at in range(len(columns.arrays))
    ]


def test_an_event_of_any_version_is_given_in_the_newest_columns() -> None:
    for version in VERSIONS:
        message = json.loads(event(1))
        columns = decoded(json.dumps({**message, "version": version.version}).encode())
        assert (columns.rows, len(columns.arrays)) == (1, len(VERSIONS[-1].fields))
