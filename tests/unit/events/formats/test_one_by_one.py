"""Slices by the specification alone."""

from __future__ import annotations

from dataclasses import replace

from pipeline.events.formats.one_by_one import OneByOne
from pipeline.events.model import Reason
from tests.formats.files import FORMATS, SCHEMAS
from tests.property.decoding import slice_of


def test_columns_are_read_anew_for_every_slice() -> None:
    reader = OneByOne(FORMATS["iis"], SCHEMAS["api_request"])
    line = b"2026-05-01 10:20:30 200"
    named = slice_of("api_request", [b"#Fields: date time sc-status", line])
    named = replace(named, header=b"")
    made = reader.make(named)
    assert (made.messages.tolist(), made.reasons) == ([1], [])
    later = replace(slice_of("api_request", [line]), header=b"#Fields: date time sc-status")
    assert reader.make(later).messages.tolist() == [0]
    again = reader.make(replace(named, header=None))
    assert (again.refused.tolist(), again.reasons) == ([1], [Reason.NOT_IN_FORMAT])
