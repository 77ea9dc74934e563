"""Where messages begin and end: the same by the kernel and without it."""

from __future__ import annotations

import pytest

from pipeline.io.files import framing
from pipeline.io.files.framing import (
    MESSAGE_BYTES,
    find_lines,
    first_line,
    is_complete_object,
)
from tests.both_ways import decoder_in_use

__all__ = ["decoder_in_use"]


def lines(data: bytes) -> tuple[list[bytes], int]:
    found = find_lines(data)
    cut = [
        data[low:high] for low, high in zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    ]
    return cut, found.stop


@pytest.mark.parametrize(
    ("data", "expected", "stop"),
    [
        (b"", [], 0),
        (b"a", [], 0),
        (b"a\n", [b"a"], 2),
        (b"a\nb", [b"a"], 2),
        (b"a\nbc\n", [b"a", b"bc"], 5),
        (b"\n\na\n\n", [b"a"], 5),
        (b"\r\na\r\n\r\n", [b"a\r"], 7),
        (b"\n\n", [], 2),
        (b"a\rb\n", [b"a\rb"], 4),
        (b"\x00\xff\n", [b"\x00\xff"], 3),
        (b" \n", [b" "], 2),
    ],
)
def test_complete_lines_are_messages_and_blank_ones_are_passed_over(
    data: bytes, expected: list[bytes], stop: int
) -> None:
    assert lines(data) == (expected, stop)


def test_a_block_gives_no_more_lines_than_a_slice_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "SLICE_MESSAGES", 3)
    assert lines(b"a\nb\nc\nd\ne\n") == ([b"a", b"b", b"c"], 6)
    assert lines(b"\n\na\nb\n") == ([b"a"], 4)


@pytest.mark.parametrize(
    ("block", "whole", "line"),
    [
        (b"", True, None),
        (b"\n\r\n", True, None),
        (b"\r\n\na\r\nb", False, b"a"),
        (b"a", False, None),
        (b"a", True, b"a"),
        (b"a\r", True, b"a"),
        (b"x" * MESSAGE_BYTES, False, b"x" * MESSAGE_BYTES),
        (b"x" * (MESSAGE_BYTES + 9) + b"\n", True, b"x" * MESSAGE_BYTES),
    ],
)
def test_the_first_line_is_known_once_it_is_complete(
    block: bytes, whole: bool, line: bytes | None
) -> None:
    assert first_line(block, whole=whole) == line


@pytest.mark.parametrize(
    ("line", "complete"),
    [
        (b'{"a": 1}', True),
        (b'  {"a": {}} ', True),
        (b'{"a": 1', False),
        (b'{"a": 1}}', False),
        (b"[1]", False),
        (b"5", False),
        (b"", False),
        (b'{"a":' + b"[" * 20_000, False),
        (b'{"a": "' + b"x" * MESSAGE_BYTES + b'"}', False),
    ],
)
def test_only_a_whole_object_needs_no_line_feed(line: bytes, complete: bool) -> None:
    assert is_complete_object(line) is complete
