"""Decode as a stage: accounts for every message, keeps and shows nothing of them."""

from __future__ import annotations

import gc
import json
import pickle
import tracemalloc
from typing import Any

import pytest

from pipeline.events import familiar
from pipeline.events.decode import STRICT_RUN, Decoder
from pipeline.events.learned import MAX_NAMES, LearnedNames
from pipeline.events.model import Reason
from pipeline.events.strict import Kind, Record, StrictDecoder
from tests.property.decoding import SCHEMAS, VALID, assert_same, slice_of

SCHEMA = SCHEMAS["api_request"][-1]
CANARY = "canary-7f3a@example.com"


def message(**change: Any) -> bytes:
    return json.dumps({**VALID["api_request"], **change}).encode()


def decoder() -> Decoder:
    return Decoder(SCHEMAS["api_request"])


@pytest.mark.parametrize("count", [0, 1, 2, STRICT_RUN, STRICT_RUN + 1, 1000])
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


def test_undeclared_names_are_learned_and_leave_no_trace() -> None:
    worker = decoder()
    contents = [message(**{CANARY: CANARY, "n": 1.5, "f": True, "z": None})] * 400
    batch = worker.decode(slice_of("api_request", contents))
    assert batch.rows.num_rows == 400
    assert CANARY not in str(batch.rows.to_pylist())
    assert CANARY not in batch.rows.schema.to_string()
    assert CANARY.encode() not in b"".join(
        bytes(buffer) for column in batch.rows.columns for buffer in column.buffers() if buffer
    )
    for shown in (repr(worker), repr(batch), repr(vars(worker)), str(dict(batch.nulled))):
        assert CANARY not in shown


def test_what_was_learned_is_not_pickled() -> None:
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


def test_undeclared_names_have_a_bounded_memory() -> None:
    learned = LearnedNames(SCHEMA)
    for at in range(1000):
        learned.learn({f"name{at}": Kind.TEXT})
    learned.learn({"": Kind.TEXT, "x" * 129: Kind.TEXT})
    declared = len(SCHEMA.fields)
    assert len(learned.parser_schema()) == declared + min(MAX_NAMES, 100 - declared)


def test_a_name_of_two_kinds_is_not_given_to_the_parser() -> None:
    learned = LearnedNames(SCHEMA)
    learned.learn({"a": Kind.NULL, "b": Kind.TEXT, "c": Kind.NESTED, "d": Kind.FLAG})
    learned.learn({"a": Kind.NUMBER, "b": Kind.NUMBER, "c": Kind.TEXT, "d": Kind.NULL})
    assert learned.parser_schema().names[len(SCHEMA.fields) :] == ["a", "d"]


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


def test_names_that_no_longer_come_make_room() -> None:
    learned = LearnedNames(SCHEMA)
    worker = decoder()
    worker._learned = learned
    learned.learn({f"old{at}": Kind.TEXT for at in range(MAX_NAMES)})
    plain = slice_of("api_request", [message()])
    for _ in range(70):
        worker.decode(plain)
    learned.learn({"new": Kind.TEXT})
    assert learned.parser_schema().names[-1] == "new"


def test_producers_that_mix_everything_are_decoded_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiar, "MIN_MESSAGES", 4)
    kinds: list[Any] = ["x", 1, True, None, {"a": 1}, [1], 1.5, 2**63]
    contents = [message(mixed=kinds[at % len(kinds)], status=at) for at in range(600)]
    answer = assert_same(slice_of("api_request", contents))
    assert len(answer.rejected) == 600 // 8


def test_layouts_are_used_once_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick path is really taken: without it the same slice needs the parser."""
    worker = decoder()
    source = slice_of("api_request", [message(event_id=f"e{at}") for at in range(600)])
    monkeypatch.setattr("pipeline.events.decode.parse_lines", None)
    assert worker.decode(source).rows.num_rows == 600


def test_the_parser_is_used_for_other_layouts(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Reason:
        raise AssertionError("a message went to the strict decoder")

    monkeypatch.setattr(familiar, "MIN_MESSAGES", 10**9)
    worker = decoder()
    monkeypatch.setattr(StrictDecoder, "decode", never)
    source = slice_of("api_request", [message(event_id=f"e{at}") for at in range(600)])
    assert worker.decode(source).rows.num_rows == 600


def test_versions_are_decoded_each_by_its_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    field = replace(SCHEMA.field("path"), name="trailer", columns=(), since=2)
    newer = replace(SCHEMA, version=2, fields=(*SCHEMA.fields, field))
    monkeypatch.setitem(SCHEMAS, "api_request", (SCHEMA, newer))
    contents = [message(version=1 + at % 2, trailer="t") for at in range(20)]
    answer = assert_same(slice_of("api_request", contents))
    assert [row["trailer"] for row in answer.rows] == [None, "t"] * 10


@pytest.mark.parametrize("kind", ["brackets", "digits", "quotes", "escapes", "keys", "spaces"])
def test_no_message_takes_long(kind: str) -> None:
    """The worst 64 KiB are decided in milliseconds; quadratic work would take minutes."""
    import time

    worst = {
        "brackets": b'{"a":' + b"[" * 65_000,
        "digits": b'{"a":' + b"7" * 65_000 + b"}",
        "quotes": b'{"a":"' + b'\\"' * 32_000,
        "escapes": b'{"a":"' + b"\\u0061" * 10_000 + b'"}',
        "keys": b"{" + b'"a":1,' * 10_000 + b'"b":1}',
        "spaces": b"{" + b" " * 65_000 + b"}",
    }[kind]
    strict = StrictDecoder(SCHEMAS["api_request"])
    start = time.process_time()
    assert not isinstance(strict.decode(worst), Record)
    assert time.process_time() - start < 0.5
