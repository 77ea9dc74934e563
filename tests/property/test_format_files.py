"""Every packaged format on realistic files: each row as expected, by the kernel and without it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.model import RawBatch, Reason
from pipeline.io.package_data import load_catalogue, packaged_formats
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.policy import Policy
from tests.both_ways import decoder_in_use  # noqa: F401
from tests.formats.files import FORMATS, SCHEMAS, File, file_of
from tests.formats.requests import CANARY
from tests.formats.writers import WRITERS
from tests.property.decoding import plain, slice_of

LINES = int(os.environ.get("TELEMETRY_FORMAT_LINES", "400"))
"""Requests in each file; docs/benchmarks.md was written with 100,000."""


def decode(name: str, file: File) -> RawBatch:
    format_ = FORMATS[name]
    decoder = FormatDecoder(format_, SCHEMAS[format_.event])
    return decoder.decode(replace(slice_of(format_.event, file.lines), header=b""))


def expected_rows(name: str, file: File) -> list[dict[str, Any]]:
    format_ = FORMATS[name]
    rows = []
    for number, records in enumerate(file.expected):
        offset = 1000 + 3 * number
        for record, fields in enumerate(records):
            if isinstance(fields, dict):
                where = f"kafka/topic/0/{offset}" + (f"/{record}" if name == "otlp" else "")
                place = {"event_id": where, "_offset": offset, "_size": len(file.lines[number])}
                constants = {"event": format_.event, "version": format_.version}
                rows.append({**place, **constants, **fields})
    return rows


def test_every_packaged_format_has_a_writer() -> None:
    assert set(packaged_formats()) == set(WRITERS)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_every_row_is_as_the_request_was(name: str) -> None:
    file = file_of(name, LINES)
    found = decode(name, file)
    rows = [{k: v for k, v in row.items() if v is not None} for row in plain(found.rows)]
    floats = ("latency_ms", "queue_ms")
    wanted = [
        {k: v.hex() if k in floats else v for k, v in row.items()}
        for row in expected_rows(name, file)
    ]
    assert rows == wanted


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_every_malformed_line_has_its_reason(name: str) -> None:
    file = file_of(name, LINES, malformed=0.5)
    found = decode(name, file)
    wanted = [
        {"offset": 1000 + 3 * n, "reason": one.value}
        for n, records in enumerate(file.expected)
        for one in records
        if isinstance(one, Reason)
    ]
    assert found.rejected.select(["offset", "reason"]).to_pylist() == wanted
    assert len({one["reason"] for one in wanted}) > 5


class Keys:
    def epoch_key(self, epoch: object) -> bytes:
        return bytes(32)


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_no_canary_passes_the_boundary(name: str) -> None:
    format_ = FORMATS[name]
    raw = decode(name, file_of(name, LINES))
    assert CANARY in str(raw.rows.to_pylist())
    anonymizer = Anonymizer(SCHEMAS, load_catalogue(), Keys(), lambda network: "ZZ", Policy())
    clean = anonymizer.anonymize(raw, datetime(2026, 11, 24, 12, tzinfo=UTC))
    assert clean.event == format_.event
    assert clean.rows.num_rows == raw.rows.num_rows
    told = [str(clean.rows.to_pylist()), str(clean.rejected.to_pylist()), str(clean.nulled)]
    assert not any(CANARY in one for one in told)
