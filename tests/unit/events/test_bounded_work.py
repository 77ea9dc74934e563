"""Work of the decoder and the privacy stage, counted in calls: no shape of input multiplies it.

Counted is what Python is asked to do, not time. Inside the kernel no value costs a call of its own,
so a shape that fell back to the specification, message by message, shows at once; without it, the
work may grow as the input does, and no faster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import FrameType

import pytest

from pipeline.events.decode.decoder import Decoder
from tests.both_ways import use
from tests.integration.runs import EVENT, schemas
from tests.integration.year_worker import slice_of
from tests.privacy_rows import NOW, anonymizer, raw_batch

EVENTS = 60
ORDINARY = {
    "event": EVENT,
    "version": 1,
    "occurred_at": "2026-11-24T01:00:00Z",
    "account_id": "acct_1",
    "path": "/v1/streams",
    "error_message": "upstream timed out",
}
SHAPES: Mapping[str, Callable[[int], dict[str, object]]] = {
    "nested undeclared integers": lambda size: {"more": [[1] * 10] * (size // 30)},
    "an object of many keys": lambda size: {"more": {f"{n:x}": 1 for n in range(size // 8)}},
    "many undeclared keys": lambda size: {f"x{n:x}": 1 for n in range(size // 9)},
    "a message of short words": lambda size: {"error_message": "a b " * (min(size, 2_000) // 4)},
}
SIZE = 50_000
"""About 6,000 keys."""
FOR_A_REFUSAL = 4
"""Calls that a message may cost that is refused."""


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, of Python or of C."""
    count = 0

    def note(frame: FrameType, what: str, function: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def messages(more: Mapping[str, object]) -> list[bytes]:
    return [json.dumps({**ORDINARY, "event_id": f"e-{n}", **more}).encode() for n in range(EVENTS)]


def decoding(more: Mapping[str, object]) -> int:
    """The calls of decoding so many events that also hold these fields, or of refusing them."""
    decoder, part = Decoder(schemas()[EVENT]), slice_of(messages(more), 0, EVENTS)
    found = decoder.decode(part)  # What is done once in a decoder's life is not counted.
    assert set(found.rejected["reason"].to_pylist()) <= {"too_many_keys"}
    return calls(lambda: decoder.decode(part))


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_costs_the_kernels_caller_more(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("kernel", monkeypatch)
    assert decoding(SHAPES[shape](SIZE)) <= decoding({}) + FOR_A_REFUSAL * EVENTS


@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_without_a_kernel_grows_as_the_input_does(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use("python", monkeypatch)
    once, twice = (decoding(SHAPES[shape](size)) for size in (5_000, 10_000))
    assert twice <= 2 * once


def test_a_message_of_short_words_costs_the_privacy_stage_what_its_length_does() -> None:
    """One call a word at most, however many there are."""
    worker = anonymizer()

    def treating(words: int) -> int:
        rows = [{"error_message": f"{n} " + "a b " * (words // 2)} for n in range(EVENTS)]
        batch = raw_batch(EVENT, rows)
        worker.anonymize(batch, NOW)
        return calls(lambda: worker.anonymize(batch, NOW))

    few, many = treating(4), treating(1_000)
    assert many - few <= 1_100 * EVENTS
