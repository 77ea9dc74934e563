"""Slices of a schema registry: rows, rejections in order, sizes as they came, no other field."""

from __future__ import annotations

import json
import pickle
from collections.abc import Collection, Mapping

import pytest

from pipeline.errors import RegistryUnreachable
from pipeline.events.decode.decoder import Decoder
from pipeline.events.decode.strict_json import MAX_SIZE, Refused
from pipeline.events.formats.decoder import FormatDecoder
from pipeline.events.model import Reason
from pipeline.events.wire.decoder import WireDecoder
from pipeline.events.wire.model import Reader
from pipeline.io.package_data import load_format, load_schemas
from tests.property.decoding import slice_of

SCHEMAS = load_schemas()
LINE = {"time_iso8601": "2024-05-01T10:20:30+00:00", "http_x_account_id": "acct_1"}
EVENT = {
    "event": "api_request",
    "version": 1,
    "event_id": "e",
    "occurred_at": "2024-05-01T10:20:30Z",
    "email": "canary@example.com",
}


def refusing(payload: bytes) -> bytes:
    raise Refused(Reason.NOT_IN_FORMAT)


class Known:
    """Schema 1 is of JSON, 2 of nothing that can be read, all others do not exist."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        self.asked.append(set(numbers))
        readers: dict[int, Reader] = {1: bytes, 2: refusing}
        return {number: readers.get(number) for number in numbers}

    def ready(self) -> bool:
        return True


class Away(Known):
    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        raise RegistryUnreachable("the registry does not answer")


def framed(schema: int, value: object) -> bytes:
    payload = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"\0" + schema.to_bytes(4) + payload


def by_format(readers: Known) -> WireDecoder:
    inner = FormatDecoder(load_format("nginx_json", SCHEMAS), SCHEMAS["api_request"])
    return WireDecoder(readers, inner)


def test_rows_and_rejections_account_for_every_message_in_order() -> None:
    messages = [
        b"",
        framed(1, LINE),
        b"{}",
        framed(3, b"canary"),
        framed(1, {}),
        framed(2, b"canary"),
        framed(1, {**LINE, "request_id": "r"}),
        b"\0" + b"x" * MAX_SIZE,
        b"\0\0\0\0\1",
    ]
    readers = Known()
    found = by_format(readers).decode(slice_of("api_request", messages))
    offsets = [1000 + 3 * at for at in range(len(messages))]
    assert readers.asked == [{1, 2, 3}]
    assert found.read == len(messages)
    assert found.rows.column("event_id").to_pylist() == [f"kafka/topic/0/{offsets[1]}", "r"]
    assert found.rows.column("_size").to_pylist() == [len(messages[1]), len(messages[6])]
    assert found.rejected.to_pylist() == [
        {"offset": offsets[at], "size": len(messages[at]), "stage": "decode", "reason": reason}
        for at, reason in [
            (0, "empty"),
            (2, "not_in_format"),
            (3, "unusable_schema"),
            (4, "missing_field"),
            (5, "not_in_format"),
            (7, "too_large"),
            (8, "not_in_format"),
        ]
    ]


def test_an_events_own_fields_are_read_without_a_format_and_no_other_one_is() -> None:
    decoder = WireDecoder(Known(), Decoder(SCHEMAS["api_request"]))
    found = decoder.decode(slice_of("api_request", [framed(1, EVENT)]))
    assert found.rows.column("event_id").to_pylist() == ["e"]
    assert "canary" not in str(found.rows.to_pylist())


@pytest.mark.parametrize("messages", [[], [b"{}"], [framed(1, LINE)]])
def test_a_slice_may_hold_nothing_only_rejections_or_only_rows(messages: list[bytes]) -> None:
    found = by_format(Known()).decode(slice_of("api_request", messages))
    assert found.read == len(messages)


def test_nothing_is_read_while_the_registry_is_away() -> None:
    with pytest.raises(RegistryUnreachable):
        by_format(Away()).decode(slice_of("api_request", [framed(1, LINE)]))


def test_a_decoder_does_not_travel() -> None:
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(by_format(Known()))
