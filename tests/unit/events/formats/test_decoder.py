"""Slices of a format: rows, rejections and counts, and nothing that the schema does not name."""

from __future__ import annotations

import json
import pickle

import pytest

from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.model import RawBatch
from pipeline.io.package_data import load_format, load_schemas
from tests.property.decoding import slice_of

SCHEMAS = load_schemas()
LINE = {"time_iso8601": "2024-05-01T10:20:30+00:00", "http_x_account_id": "acct_1"}


def decoder() -> FormatDecoder:
    return FormatDecoder(load_format("nginx_json", SCHEMAS), SCHEMAS["api_request"])


def decode(*lines: object) -> RawBatch:
    texts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines]
    return decoder().decode(slice_of("api_request", texts))


def test_rows_and_rejections_account_for_every_line() -> None:
    found = decode(LINE, b"half a li", {**LINE, "http_x_account_id": "null"}, {})
    assert found.rows.schema.equals(SCHEMAS["api_request"][-1].raw)
    assert found.rows.column("_offset").to_pylist() == [1000, 1006]
    assert found.rows.column("account_id").to_pylist() == ["acct_1", None]
    assert found.rejected.column("reason").to_pylist() == ["not_json", "missing_field"]
    assert found.rejected.column("offset").to_pylist() == [1003, 1009]
    assert (found.read, found.nulled) == (4, {("account_id", "placeholder"): 1})


def test_an_event_without_an_id_is_known_by_its_place() -> None:
    ids = decode(LINE, LINE, {**LINE, "request_id": "r"}).rows.column("event_id").to_pylist()
    assert ids == ["kafka/topic/0/1000", "kafka/topic/0/1003", "r"]


def test_an_empty_slice_is_an_empty_batch() -> None:
    assert decode().rows.num_rows == 0


def test_what_a_format_does_not_name_is_not_taken() -> None:
    found = decode({**LINE, "email": "canary@example.com", "args": {"token": "canary"}})
    assert "canary" not in str(found.rows.to_pylist())


def test_a_decoder_does_not_travel() -> None:
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(decoder())
