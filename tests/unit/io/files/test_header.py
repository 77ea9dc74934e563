"""The last header line of a text in pieces."""

from __future__ import annotations

import pytest

from pipeline.io.files.header import MOST_BYTES, last_line

TEXT = b"#Fields: a\n1\n#Date: x\n#Fields: b c\r\n2 #Fields: d\n3\n#Fields: e"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_the_last_complete_line_counts_however_the_text_is_cut(size: int) -> None:
    blocks = [TEXT[at : at + size] for at in range(0, len(TEXT), size)]
    assert last_line(blocks, b"#Fields:") == b"#Fields: b c\r"


def test_a_text_without_such_a_line_has_none() -> None:
    assert last_line([b"1\n2\n"], b"#Fields:") is None
    assert last_line([], b"#Fields:") is None


def test_memory_does_not_grow_with_a_line_that_does_not_end() -> None:
    blocks = [b"#Fields: a\n", b"x" * 10 * MOST_BYTES, b"y" * MOST_BYTES, b"\n#Fields: b\n"]
    assert last_line(blocks, b"#Fields:") == b"#Fields: b"
