"""Lines become columns that say the same, with the kernel and without it."""

from __future__ import annotations

import json

import pytest

from pipeline.io.standings.entries import encode
from pipeline.io.standings.lines import LineReader, MalformedLine, is_blank, token_of
from pipeline.io.standings.table import changes_of
from pipeline.privacy.optout import Standing
from tests.unit.io.standings.entries import AT, SHAPES, lines_of, some_standings, some_tokens


@pytest.fixture(params=["on", "off"], autouse=True)
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMETRY_KERNEL", request.param)


def read(*blocks: bytes) -> dict[str, Standing | None]:
    reader = LineReader()
    for block in blocks:
        reader.add(block)
    return changes_of(reader.columns())


def test_lines_of_every_shape_are_read_as_they_were_written() -> None:
    standings = some_standings(50)
    assert read(lines_of(standings)) == standings
    assert list(read(lines_of(standings))) == sorted(standings)
    assert read() == read(b"") == {}


def test_the_last_line_of_a_token_wins_in_one_block_or_several() -> None:
    token, other = some_tokens(2)
    lines = [lines_of({token: shape}) for shape in SHAPES]
    for at in range(len(lines)):
        order = [*lines[at:], *lines[:at]]
        expected = {token: SHAPES[at - 1], other: SHAPES[0]}
        assert read(lines_of({other: SHAPES[0]}), *order) == expected
        assert read(b"".join(order), lines_of({other: SHAPES[0]})) == expected


def test_tokens_that_share_their_first_half_are_kept_apart() -> None:
    tokens = [token_of(7, low) for low in (9, 3, 5)]
    standings = {token: SHAPES[at] for at, token in enumerate(tokens)}
    again = {tokens[1]: SHAPES[4], tokens[0]: SHAPES[3]}
    assert read(lines_of(standings), lines_of(again)) == standings | again


def test_blank_lines_are_passed_over() -> None:
    standings = some_standings(3)
    assert read(b"   \n", lines_of(standings), b" \n") == standings
    assert is_blank(b"  ")
    assert not is_blank(b"")


def test_what_is_forgotten_is_gone() -> None:
    standings = some_standings(3)
    reader = LineReader()
    reader.add(lines_of(standings))
    gone, *_ = standings
    reader.forget([gone])
    assert changes_of(reader.columns()) == standings | {gone: None}


def test_an_entry_that_others_wrote_in_another_way_is_read_all_the_same() -> None:
    (token,) = some_tokens(1)
    spaced = json.dumps(json.loads(encode(token, SHAPES[0], AT))).encode() + b"\n"
    assert read(spaced) == {token: SHAPES[0]}
    old = encode(token, Standing(((-5, None),)), AT).encode() + b"\n"
    assert read(old) == {token: Standing(((-5, None),))}


@pytest.mark.parametrize("line", [b"", b"{}", b"x", lines_of(some_standings(1))[:-2]])
def test_a_line_that_is_no_entry_is_told_by_its_number(line: bytes) -> None:
    reader = LineReader()
    reader.add(lines_of(some_standings(2)))
    reader.add(b"  \n" + line + b"\n" + b"{}\n")
    reader.before = 10
    with pytest.raises(MalformedLine) as caught:
        reader.columns()
    assert caught.value.number == 14
