"""Every message of `decode_cases/`, through both decoders."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from pipeline.events.decode.decoder import Decoder
from pipeline.events.decode.strict import StrictDecoder
from pipeline.events.model import Reason
from tests.property.decoding import (
    SCHEMAS,
    VALID,
    Case,
    assert_same,
    read_cases,
    slice_of,
    two_versions,
)

ALL = read_cases()


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_a_message_means_what_its_line_says(case: Case) -> None:
    answer = StrictDecoder(SCHEMAS[case.event]).decode(case.message)
    if case.reason is not None:
        assert answer is Reason(case.reason)
        return
    assert not isinstance(answer, Reason)
    names = [field.name for field in SCHEMAS[case.event][-1].fields]
    values = dict(zip(names, answer.values, strict=True))
    assert {name: values[name] for name in case.values} == case.values
    assert [(name, why.value) for name, why in answer.nulled] == case.nulled


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_a_decoder_says_the_same_alone_and_among_others(case: Case) -> None:
    assert_same(slice_of(case.event, [case.message]))
    ordinary = json.dumps(VALID[case.event]).encode()
    fields = json.dumps({**VALID[case.event], "x": "y", "path": None}).encode()
    crowd = [ordinary, ordinary, case.message, fields, fields, case.message, ordinary]
    answer = assert_same(slice_of(case.event, crowd))
    reasons = Counter(row["reason"] for row in answer.rejected)
    assert reasons == ({case.reason: 2} if case.reason else {})


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_a_case_means_the_same_beside_a_later_version(case: Case) -> None:
    schemas = two_versions(case.event)
    later = json.dumps({**VALID[case.event], "version": 2, "weight": "1", "trailer": 5}).encode()
    assert_same(slice_of(case.event, [later, case.message, later]), schemas=schemas)


@pytest.mark.parametrize("event", ["api_request", "session"])
def test_all_cases_in_one_slice_are_decoded_in_order(event: str) -> None:
    messages = [case.message for case in ALL if case.event == event]
    decoder = Decoder(SCHEMAS[event])
    first = assert_same(slice_of(event, messages), decoder=decoder)
    again = assert_same(slice_of(event, messages * 2, gap=b"  "), decoder=decoder)
    assert len(again.rows) == 2 * len(first.rows) > 0
    offsets = [row["_offset"] for row in again.rows]
    assert offsets == sorted(offsets)


def test_every_reason_of_this_stage_has_a_case() -> None:
    # Of a later stage, of formats (test_format_differential), of registries (unit/events/wire).
    elsewhere = {"too_old", "in_future", "identifier_too_long", "internal"}
    elsewhere |= {"not_in_format", "unusable_schema"}
    assert {case.reason for case in ALL if case.reason} == {
        item.value for item in Reason
    } - elsewhere
