"""Requests by topic: what counts as one, and what is told of the others."""

from __future__ import annotations

import pytest

from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.rights.request_topic import WANTED, Asked, Malformed, parse_request, request_number


@pytest.mark.parametrize("name", list(WANTED))
def test_every_kind_of_request_is_read(name: str) -> None:
    asked = parse_request(b'{"request":"%s","account_id":"a","ticket":7}' % name.encode())
    assert isinstance(asked, Asked)
    assert (asked.account_id, asked.wanted) == ("a", WANTED[name])


def test_under_13_goes_to_the_head_of_the_queue_only_where_it_is_exactly_true() -> None:
    for text, kind in [
        (b"true", RequestKind.ERASE_UNDER_13),
        (b'"true"', RequestKind.ERASE),
        (b"1", RequestKind.ERASE),
    ]:
        asked = parse_request(b'{"request":"erase","account_id":"a","under_13":%s}' % text)
        assert isinstance(asked, Asked)
        assert asked.wanted.queue is kind


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Malformed.NOT_JSON),
        (b"", Malformed.NOT_JSON),
        (b"\xff", Malformed.NOT_JSON),
        (b"[" * 4000, Malformed.NOT_JSON),
        (b"x" * 5000, Malformed.TOO_LARGE),
        (b"[]", Malformed.NOT_OBJECT),
        (b'"erase"', Malformed.NOT_OBJECT),
        (b'{"account_id":"a"}', Malformed.UNKNOWN_REQUEST),
        (b'{"request":["erase"],"account_id":"a"}', Malformed.UNKNOWN_REQUEST),
        (b'{"request":"erase","account_id":null}', Malformed.INVALID_ACCOUNT),
        (b'{"request":"erase","account_id":""}', Malformed.INVALID_ACCOUNT),
        (b'{"request":"erase","account_id":"\\ud800"}', Malformed.INVALID_ACCOUNT),
        (b'{"request":"erase","account_id":"%s"}' % (b"a" * 257), Malformed.INVALID_ACCOUNT),
        (b'{"request":"erase","account_id":"a","account_id":"b"}', Malformed.NOT_JSON),
        (b'{"request":"erase","account_id":"a","account\\u005fid":"b"}', Malformed.NOT_JSON),
    ],
)
def test_anything_else_has_a_reason(value: bytes | None, reason: Malformed) -> None:
    assert parse_request(value) is reason


def test_a_message_has_one_number() -> None:
    assert request_number("t", 0, 1) == request_number("t", 0, 1)
    assert len({request_number(t, p, o) for t in "ab" for p in (0, 1) for o in (0, 1)}) == 8
    assert len(request_number("t", 0, 1)) == 16
