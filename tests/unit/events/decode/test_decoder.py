"""Decode as a stage: accounts for every message, keeps and shows nothing of them."""

from __future__ import annotations

import gc
import json
import pickle
import tracemalloc
from typing import Any

import pytest

from pipeline.events.decode.decoder import Decoder
from pipeline.events.decode.strict import StrictDecoder
from pipeline.events.model import Reason
from tests.both_ways import decoder_in_use
from tests.property.decoding import SCHEMAS, VALID, assert_same, slice_of, two_versions

__all__ = ["decoder_in_use"]

SCHEMA = SCHEMAS["api_request"][-1]
CANARY = "canary-7f3a@example.com"


def message(**change: Any) -> bytes:
    return json.dumps({**VALID["api_request"], **change}).encode()


def decoder() -> Decoder:
    return Decoder(SCHEMAS["api_request"])


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1000])
def test_every_message_is_a_row_or_a_rejection(count: int) -> None:
    contents = [message(event_id=f"e{at}") if at % 7 else b"{}" for at in range(count)]
    answer = assert_same(slice_of("api_request", contents))
    assert len(answer.rejected) == -(-count // 7)
    assert [row["event_id"] for row in answer.rows] == [f"e{at}" for at in range(count) if at % 7]


def test_a_slice_of_nothing_but_rejections_has_typed_columns() -> None:
    batch = decoder().decode(slice_of("api_request", [b"", b"x"]))
    assert batch.rows.schema.equals(SCHEMA.raw)
    assert batch.rows.num_rows == 0
    assert batch.rejected.column("reason").to_pylist() == ["empty", "not_json"]


def test_undeclared_names_leave_no_trace() -> None:
    worker = decoder()
    contents = [message(**{CANARY: CANARY, "n": 1.5, "f": True, "z": None})] * 400
    batch = worker.decode(slice_of("api_request", contents))
    assert batch.rows.num_rows == 400
    assert CANARY not in str(batch.rows.to_pylist())
    assert CANARY not in batch.rows.schema.to_string()
    assert CANARY.encode() not in b"".join(
        bytes(buffer) for column in batch.rows.columns for buffer in column.buffers() if buffer
    )
    for shown in (repr(worker), repr(batch), str(dict(batch.nulled))):
        assert CANARY not in shown


def test_a_decoder_is_not_pickled() -> None:
    worker = decoder()
    worker.decode(slice_of("api_request", [message(secret="x")] * 400))
    with pytest.raises(TypeError):
        pickle.dumps(worker)


def test_a_refusal_keeps_no_exception_with_the_payload() -> None:
    strict = StrictDecoder(SCHEMAS["api_request"])
    gc.collect()
    for bad in (f'{{"{CANARY}": nan}}', f'{{"a": "{CANARY}"', f'{{"a": 1, "a": "{CANARY}"}}'):
        assert isinstance(strict.decode(bad.encode()), Reason)
    kept = [item for item in gc.get_objects() if isinstance(item, BaseException)]
    assert not [error for error in kept if CANARY in repr(error) + str(vars(error))]


def test_a_flood_of_names_does_not_grow_the_decoder() -> None:
    worker = decoder()
    batches = [
        slice_of("api_request", [message(**{f"n{turn}_{at}": at}) for at in range(300)])
        for turn in range(8)
    ]
    worker.decode(batches[0])
    tracemalloc.start()
    try:
        for source in batches[1:]:
            worker.decode(source)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 400_000


def test_producers_that_mix_everything_are_decoded_alike() -> None:
    kinds: list[Any] = ["x", 1, True, None, {"a": 1}, [1], 1.5, 2**63]
    contents = [message(mixed=kinds[at % len(kinds)], status=at) for at in range(600)]
    answer = assert_same(slice_of("api_request", contents))
    assert len(answer.rejected) == 600 // 8


def test_versions_are_decoded_each_by_its_own_fields() -> None:
    schemas = two_versions("api_request")
    contents = [
        message(version=1 + at % 2, trailer="t", weight="w" if at % 3 else 5) for at in range(24)
    ]
    answer = assert_same(slice_of("api_request", contents), schemas=schemas)
    assert [row["trailer"] for row in answer.rows] == [
        "t" if at % 2 else None for at in range(24) if at % 2 == 0 or at % 3
    ]
    assert {row["reason"] for row in answer.rejected} == {"invalid_type"}


@pytest.mark.parametrize(
    "kind", ["brackets", "digits", "quotes", "slashes", "escapes", "keys", "names", "spaces"]
)
def test_no_message_takes_long(kind: str) -> None:
    """The worst 64 KiB are decided in milliseconds; quadratic work would take minutes."""
    import time

    worst = {
        "brackets": b'{"a":' + b"[" * 65_000,
        "digits": b'{"a":' + b"7" * 65_000 + b"}",
        "quotes": b'{"a":"' + b'\\"' * 32_000,
        "slashes": b'{"a":"' + b'\\"' * 32_000 + b"[[[[[[[\\",
        "escapes": b'{"a":"' + b"\\u0061" * 10_000 + b'"}',
        "keys": b"{" + b'"a":1,' * 10_000 + b'"b":1}',
        "names": b"{" + b",".join(b'"%x":1' % at for at in range(7_000)) + b"}",
        "spaces": b"{" + b" " * 65_000 + b"}",
    }[kind]
    worker = decoder()
    source = slice_of("api_request", [worst])
    start = time.process_time()
    assert worker.decode(source).rejected.num_rows == 1
    assert time.process_time() - start < 0.5
