"""The decode tests can fail: each check that is taken out of the specification is missed.

The kernel goes on as it was, so a check that the cases do not miss would be one that nobody
compares: it is either not needed or not tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.events.decode import strict, strict_json, times
from pipeline.events.decode.decoder import Decoder
from pipeline.events.schema import FieldType
from tests.both_ways import use
from tests.property.decoding import SCHEMAS, VALID, assert_same, read_cases, slice_of

CASES = [case for case in read_cases() if case.event in ("api_request", "session")]


@pytest.fixture(autouse=True)
def decoder_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the kernel: Python's way is the specification itself."""
    use("kernel", monkeypatch)


def nothing(*_: Any) -> None:
    """A check that finds no fault."""


def lenient_object(parser: Any, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which the last of two equal names counts, as in most parsers."""
    return dict(pairs)


def lenient_list(value: Any) -> Any:
    """A list whose odd items are left out."""
    return [item for item in value if isinstance(item, str)], None


BYTES = strict.StrictDecoder._parse


def lossy(decoder: Any, message: bytes) -> Any:
    """Text in which malformed bytes were replaced, as in most pipelines."""
    return BYTES(decoder, message.decode("utf-8", "replace").encode())


SABOTAGE: list[tuple[Any, str, Any]] = [
    (strict_json, "MAX_SIZE", 1 << 30),
    (strict_json, "MAX_KEYS", 1 << 30),
    (strict_json, "TEXT_LIMIT", 1 << 30),
    (strict_json, "INT64_MAX", 1 << 70),
    (strict_json, "INT64_MIN", -(1 << 70)),
    (strict_json, "_SURROGATE", re.compile("(?!)")),
    (strict_json, "_check_depth", nothing),
    (strict_json, "_check_texts", nothing),
    (strict_json, "_constant", float),
    (strict_json, "_float", float),
    (strict_json.StrictJson, "_object", lenient_object),
    (strict.StrictDecoder, "_parse", lossy),
    (strict.StrictDecoder, "_version", lambda *_: 1),
    (strict, "parse_time", lambda _: None),
    (strict, "parse_date", lambda _: None),
    (strict, "signal", lambda text: text.strip() or None),
    (strict, "UNREADABLE", "?"),
]
READERS: list[tuple[FieldType, Callable[[Any], Any]]] = [
    (FieldType.STRING, lambda value: (str(value), None)),
    (FieldType.INT64, lambda value: (int(value), None)),
    (FieldType.FLOAT64, lambda value: (value, None)),
    (FieldType.LIST, lenient_list),
    (FieldType.SIGNAL, lambda value: ("1" if value else None, None)),
    (FieldType.TIMESTAMP, lambda value: (times.parse_time(str(value)), None)),
    (FieldType.DATE, lambda value: (times.parse_date(str(value)), None)),
]


def decode_everything() -> None:
    """Each case between ordinary messages, by one decoder."""
    for event in ("api_request", "session"):
        decoder = Decoder(SCHEMAS[event])
        ordinary = json.dumps(VALID[event]).encode()
        for case in CASES:
            if case.event == event:
                source = slice_of(event, [ordinary, ordinary, case.message, ordinary])
                assert_same(source, decoder=decoder)


def test_nothing_is_missed_with_every_check_in_place() -> None:
    decode_everything()


@pytest.mark.parametrize(
    ("owner", "name", "sabotage"), SABOTAGE, ids=[name for _, name, _ in SABOTAGE]
)
def test_a_check_that_is_taken_out_is_missed(
    owner: Any, name: str, sabotage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, sabotage)
    with pytest.raises((AssertionError, RecursionError, ValueError)):
        decode_everything()


@pytest.mark.parametrize(("kind", "reader"), READERS, ids=[kind.value for kind, _ in READERS])
def test_a_reader_that_is_too_kind_is_missed(
    kind: FieldType, reader: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(strict._READERS, kind, reader)
    with pytest.raises((AssertionError, TypeError, ValueError)):
        decode_everything()
