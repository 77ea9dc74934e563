"""What the columnar path takes for granted about `pyarrow.json`; it may change with its version."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.events.fast import Refused, parse_lines
from pipeline.events.finish import Parsed
from pipeline.events.learned import LearnedNames
from pipeline.events.lines import lines_of
from pipeline.events.strict import Kind
from tests.property.decoding import SCHEMAS, slice_of

SCHEMA = SCHEMAS["api_request"][-1]
FIRST = (
    b'"event":"api_request","version":1,"event_id":"e","occurred_at":"2026-05-01T00:00:00Z","x":"y"'
)


def parse(*messages: bytes) -> Parsed | Refused:
    learned = LearnedNames(SCHEMA)
    learned.learn({"x": Kind.TEXT, "n": Kind.NUMBER, "f": Kind.FLAG, "z": Kind.NULL})
    source = slice_of("api_request", messages)
    return parse_lines(SCHEMA, learned, lines_of(source, np.arange(len(messages))))


def test_an_ordinary_block_is_taken_whole() -> None:
    parsed = parse(b"{%s}" % FIRST, b'{%s,"n":1e3,"f":true,"z":null}' % FIRST)
    assert isinstance(parsed, Parsed)
    assert parsed.rows.tolist() == [0, 1]
    assert parsed.doubtful.tolist() == []


@pytest.mark.parametrize(
    "member",
    [
        b'"event":"api_request"',
        b'"event":null',
        b'"\\u0065vent":"api_request"',
        b'"status":1,"status":1',
        b'"status":null,"status":1',
        b'"x":"z"',
        b'"x":null',
        b'"n":1,"n":2',
        b'"z":null,"z":null',
        b'"unknown":1',
        b'"":1',
        b'"status":1.0',
        b'"status":1e2',
        b'"status":9223372036854775808',
        b'"status":"5"',
        b'"status":true',
        b'"path":5',
        b'"path":["a"]',
        b'"path":{"a":1}',
        b'"n":"1"',
        b'"n":true',
        b'"f":1',
        b'"z":1',
        b'"latency_ms":01',
        b'"latency_ms":+1',
        b'"latency_ms":.5',
        b'"latency_ms":1.',
        b'"latency_ms":0x1',
        b'"path":"a\tb"',
        b'"path":"a\x00b"',
        b'"path":"\\x"',
        b'"path":"\\ud800"',
        b'"path":"a" "b"',
        b'"path":"a",',
        b'"path":"a"/**/',
    ],
)
def test_the_parser_refuses(member: bytes) -> None:
    assert isinstance(parse(b"{%s}" % FIRST, b"{%s,%s}" % (FIRST, member)), Refused)


@pytest.mark.parametrize("second", [b"{}{}", b'{"x":"y"} {"x":"y"}', b"{}\n{}"])
def test_two_records_in_one_message_are_one_too_many(second: bytes) -> None:
    assert parse(b"{%s}" % FIRST, second) == Refused(None)


@pytest.mark.parametrize(
    ("member", "doubtful"),
    [(b'"latency_ms":NaN', [1]), (b'"n":-Infinity', [1]), (b'"n":1e19', [1]), (b'"n":1e18', [])],
)
def test_numbers_that_the_parser_lets_through_are_found(member: bytes, doubtful: list[int]) -> None:
    parsed = parse(b"{%s}" % FIRST, b"{%s,%s}" % (FIRST, member))
    assert isinstance(parsed, Parsed)
    assert parsed.doubtful.tolist() == doubtful


def test_a_refusal_says_where_the_parser_stopped_and_nothing_else() -> None:
    bad = b'{%s,"latency_ms":"canary-7f3a"}' % FIRST
    refused = parse(b"{%s}" % FIRST, bad, b"{%s}" % FIRST)
    assert refused == Refused(1)
    assert parse(b"{%s}" % FIRST, b'{%s,"status":1.5}' % FIRST) == Refused(None)


def test_the_parser_does_not_check_utf8_so_the_screen_must() -> None:
    parsed = parse(b'{%s,"path":"\xff"}' % FIRST)
    assert isinstance(parsed, Parsed)
    with pytest.raises(pa.ArrowInvalid):
        parsed.columns[SCHEMA.raw.get_field_index("path")].validate(full=True)
