"""Messages in memory become the slice that decoding takes."""

from __future__ import annotations

import json
from datetime import date, datetime

import pyarrow as pa
import pytest

from pipeline.api import messages
from pipeline.api.messages import limited_slice, lines_of_rows, split_lines
from pipeline.errors import UsageError
from pipeline.io.package_data import load_schemas

SCHEMA = load_schemas()["feature_use"][-1]


def test_blank_lines_are_no_messages() -> None:
    assert split_lines(b"\n\r\none\n\ntwo\r\n") == [b"one", b"two\r"]
    assert split_lines(b"") == []


def test_a_slice_numbers_its_messages_from_zero() -> None:
    made = limited_slice([b"a", b"", b"ccc"], "session")
    assert [made.data[a:b] for a, b in zip(made.starts, made.ends, strict=True)] == [
        b"a",
        b"",
        b"ccc",
    ]
    assert made.offsets.tolist() == [0, 1, 2]
    assert len(limited_slice([], "session")) == 0


def test_too_much_for_one_call_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_BYTES", 3)
    assert len(limited_slice([b"abc"], "session")) == 1
    with pytest.raises(UsageError, match="Too much for one call"):
        limited_slice([b"abc", b"d"], "session")


def test_rows_become_lines_of_declared_fields_that_are_not_null() -> None:
    rows = pa.RecordBatch.from_pylist(
        [
            {"occurred_at": datetime(2026, 11, 24, 9), "feature": "export", "secret": "jane"},
            {"occurred_at": None, "feature": None, "secret": "jane"},
        ]
    )
    assert [json.loads(line) for line in lines_of_rows(rows, SCHEMA)] == [
        {
            "event": "feature_use",
            "version": SCHEMA.version,
            "occurred_at": "2026-11-24T09:00:00+00:00",
            "feature": "export",
        },
        {"event": "feature_use", "version": SCHEMA.version},
    ]


def test_event_and_version_of_the_rows_come_first() -> None:
    rows = pa.RecordBatch.from_pydict({"version": [1], "account_created_on": [date(2026, 1, 2)]})
    assert json.loads(next(lines_of_rows(rows, SCHEMA))) == {
        "event": "feature_use",
        "version": 1,
        "account_created_on": "2026-01-02",
    }


def test_a_column_of_bytes_is_refused_by_name_and_type() -> None:
    rows = pa.RecordBatch.from_pydict({"account_id": [b"jane"]})
    with pytest.raises(UsageError, match="account_id because it is binary") as refusal:
        list(lines_of_rows(rows, SCHEMA))
    assert "jane" not in str(refusal.value)
