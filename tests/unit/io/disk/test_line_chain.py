"""A file is read in blocks of whole lines, and the hash over them is the same as line by line."""

from __future__ import annotations

from io import BytesIO

import pytest

from pipeline.io.disk.line_chain import NO_LINES, Fold, blocks_of, chained, size_of, whole_lines

CONTENT = b"a\n\nbcd\n" + b"x" * 100 + b"\nlast\n"
LINES = whole_lines(CONTENT)


@pytest.fixture(params=["on", "off"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_KERNEL", request.param)


@pytest.mark.parametrize("block", [1, 3, 7, 1000])
def test_blocks_are_whole_lines_and_a_torn_tail_is_left_out(block: int) -> None:
    blocks = list(blocks_of(BytesIO(CONTENT + b"torn"), block))
    assert b"".join(blocks) == CONTENT
    assert all(one.endswith(b"\n") for one in blocks)


@pytest.mark.usefixtures("_kernel")
@pytest.mark.parametrize("block", [1, 3, 1000])
def test_the_hash_does_not_depend_on_the_blocks(block: int) -> None:
    fold = Fold(0, NO_LINES, [])
    for one in blocks_of(BytesIO(CONTENT), block):
        fold.add(one)
    assert (fold.size, fold.lines, fold.chain) == (
        len(CONTENT),
        len(LINES),
        chained(NO_LINES, LINES),
    )


@pytest.mark.usefixtures("_kernel")
@pytest.mark.parametrize("block", [1, 1000])
def test_a_state_between_any_two_lines_is_met(block: int) -> None:
    for count in range(len(LINES) + 1):
        wanted = size_of(LINES[:count]), chained(NO_LINES, LINES[:count])
        for right in (wanted, (wanted[0], bytes(range(32)))):
            fold = Fold(0, NO_LINES, [right])
            for one in blocks_of(BytesIO(CONTENT), block):
                fold.add(one)
            assert fold.met is (right == wanted)


def test_a_state_inside_of_a_line_or_beyond_the_end_is_not_met() -> None:
    for size in (4, len(CONTENT) + 1):
        fold = Fold(0, NO_LINES, [(size, NO_LINES)])
        fold.add(CONTENT)
        assert not fold.met
        assert fold.chain == chained(NO_LINES, LINES)


def test_what_lies_before_the_beginning_was_compared_before() -> None:
    assert Fold(10, bytes(32), [(5, bytes(range(32)))]).met
