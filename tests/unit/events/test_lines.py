"""Slices as blocks of lines: what is copied, and what may enter a columnar parser."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.events.lines import bare_nulls, join, lines_of, screen
from tests.property.decoding import slice_of

MESSAGES = [b'{"a":1}', b"", b'{"b":2}', b'{"ccc":3}', b'{"d":4}']


@pytest.mark.parametrize("gap", [b"", b"...\n"])
@pytest.mark.parametrize("rows", [[0], [4], [2, 3, 4], [0, 2], [0, 2, 4], [0, 1, 2, 3, 4]])
def test_a_block_holds_the_chosen_messages_each_on_its_line(gap: bytes, rows: list[int]) -> None:
    lines = lines_of(slice_of("session", MESSAGES, gap=gap), np.array(rows))
    content = bytes(lines.buffer)
    found = [
        content[low:high].removesuffix(b"\n")
        for low, high in zip(lines.bounds[:-1], lines.bounds[1:], strict=True)
    ]
    assert found == [MESSAGES[row] for row in rows]
    assert lines.rows.tolist() == rows


def test_neighbours_are_not_copied() -> None:
    source = slice_of("session", MESSAGES)
    whole = lines_of(source, np.arange(5))
    base = np.frombuffer(source.data, np.uint8).ctypes.data
    assert whole.buffer.address == base
    assert whole.part(2, 4).buffer.address == base + source.starts[2]
    assert bytes(whole.part(2, 4).buffer) == b'{"b":2}\n{"ccc":3}\n'


def test_parts_join_in_order() -> None:
    whole = lines_of(slice_of("session", MESSAGES), np.arange(5))
    joined = join([whole.part(0, 1), whole.part(2, 4)])
    assert bytes(joined.buffer) == b'{"a":1}\n{"b":2}\n{"ccc":3}\n'
    assert joined.bounds.tolist() == [0, 8, 16, 26]
    assert joined.rows.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"null",
        b"[{}]",
        b" {}",
        b"{} ",
        b'{"a":1',
        b'"a":1}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\\u0061"}',
        b'{"\\u0061":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"' + b"x" * 2041 + b'"}',
    ],
)
def test_a_message_that_is_not_plainly_one_object_stays_out(message: bytes) -> None:
    around = [b'{"z":"\xc3\xa9"}', message, b'{"z":1}\r']
    assert screen(slice_of("session", around), 0, 3).tolist() == [True, False, True]
    assert screen(slice_of("session", around), 1, 2).tolist() == [False]


@pytest.mark.parametrize(
    "message", [b"{}", b"{}\r", b'{"a":"' + b"x" * 2040 + b'"}', b'{"a":"\\n"}']
)
def test_an_ordinary_message_may_enter(message: bytes) -> None:
    assert screen(slice_of("session", [message]), 0, 1).tolist() == [True]


def test_a_bare_null_inside_a_message_is_noticed() -> None:
    messages = [b'{"a":{}}', b"{}null{}", b'{}\r \tnull {"b":1}', b'{"a":null}', b'{"a":{}}']
    lines = lines_of(slice_of("session", messages), np.arange(5))
    assert bare_nulls(lines).tolist() == [False, True, True, False, False]
