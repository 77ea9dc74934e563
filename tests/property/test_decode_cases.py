"""Every message of `decode_cases/`, through both paths."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from pipeline.events import familiar
from pipeline.events.decode import STRICT_RUN, Decoder
from pipeline.events.model import Reason
from pipeline.events.strict import StrictDecoder
from tests.property.decoding import SCHEMAS, VALID, Case, assert_same, read_cases, slice_of

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
    assert list(answer.nulled) == case.nulled


@pytest.mark.parametrize("least", [1, 10**9], ids=["familiar", "parser"])
@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_the_columnar_paths_say_the_same_alone_and_among_others(
    case: Case, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiar, "MIN_MESSAGES", least)
    assert_same(slice_of(case.event, [case.message]))
    ordinary = json.dumps(VALID[case.event]).encode()
    fields = json.dumps({**VALID[case.event], "x": "y", "path": None}).encode()
    crowd = [*[ordinary] * (STRICT_RUN + 1), case.message, fields, fields]
    alone, crowded = assert_same(slice_of(case.event, crowd)), Counter[str]()
    crowded.update(row["reason"] for row in alone.rejected)
    assert crowded == ({case.reason: 1} if case.reason else {})


@pytest.mark.parametrize("event", sorted(VALID))
def test_all_cases_in_one_slice_are_decoded_in_order(event: str) -> None:
    messages = [case.message for case in ALL if case.event == event]
    decoder = Decoder(SCHEMAS[event])
    first = assert_same(slice_of(event, messages), decoder=decoder)
    again = assert_same(slice_of(event, messages * 2, gap=b"  "), decoder=decoder)
    assert len(again.rows) == 2 * len(first.rows) > 0
    offsets = [row["_offset"] for row in again.rows]
    assert offsets == sorted(offsets)


def test_every_reason_of_this_stage_has_a_case() -> None:
    later = {"too_old", "in_future", "identifier_too_long", "internal"}
    assert {case.reason for case in ALL if case.reason} == {item.value for item in Reason} - later
