"""Packed records say what the lines said, and nothing of what was replaced or removed is left."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import OptOutStale
from pipeline.io.standings import records
from pipeline.io.standings.lines import LineReader, StandingColumns, token_of
from pipeline.io.standings.records import NOTHING, Merge, PackedStandings, packed
from pipeline.privacy.optout import Standing
from tests.unit.io.standings.entries import SHAPES, lines_of, some_standings, some_tokens


def columns(standings: dict[str, Standing], gone: list[str] | None = None) -> StandingColumns:
    reader = LineReader()
    reader.add(lines_of(standings))
    reader.forget(gone or [])
    return reader.columns()


def everything(base: PackedStandings) -> dict[str, Standing | None]:
    tokens = list(base.tokens())
    return dict(zip(tokens, base.find(tokens), strict=True))


@pytest.fixture(params=[1, 3, 1 << 18], autouse=True)
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "CHUNK", request.param)


def test_everything_is_found_and_nothing_else() -> None:
    standings = some_standings(60)
    base = packed(NOTHING, columns(standings))
    assert (len(base), list(base.tokens())) == (60, sorted(standings))
    assert everything(base) == standings
    assert base.find(some_tokens(60, seed=1)) == [None] * 60
    assert NOTHING.find(some_tokens(2)) == [None, None]


def test_ordinary_opt_outs_are_counted_and_the_others_can_be_listed() -> None:
    standings = some_standings(28)
    base = packed(NOTHING, columns(standings))
    unusual = {token: one for token, one in standings.items() if one not in SHAPES[:2]}
    assert dict(base.unusual()) == unusual
    assert base.out == len(standings) - len(unusual)


def test_newer_entries_replace_add_and_remove() -> None:
    old = some_standings(40)
    kept = list(old)
    newer = dict(zip(kept[::3], some_standings(14, seed=3).values(), strict=False))
    newer |= some_standings(9, seed=4)
    gone = [*kept[1::5], *some_tokens(2, seed=9)]
    merged = packed(packed(NOTHING, columns(old)), columns(newer, gone))
    expected = {token: one for token, one in (old | newer).items() if token not in gone}
    assert everything(merged) == expected
    assert len(merged) == len(expected)


def test_tokens_that_share_their_first_half_are_kept_apart() -> None:
    old = {token_of(high, low): SHAPES[0] for high in (1, 2, 9) for low in (1, 5, 8)}
    newer = {token_of(high, low): SHAPES[4] for high in (1, 2, 3) for low in (0, 5, 6, 9)}
    merged = packed(packed(NOTHING, columns(old)), columns(newer))
    assert sorted(merged.tokens()) == sorted(old | newer)
    assert everything(merged) == old | newer


def test_neither_token_nor_line_of_what_is_removed_is_left() -> None:
    standings = some_standings(21)
    base = packed(NOTHING, columns(standings))
    for token in standings:
        merge = Merge(base, columns({}, [token]))
        content = b"".join(merge.records()) + merge.lines()
        assert bytes.fromhex(token) not in content
        assert token.encode() not in content


def test_what_is_replaced_leaves_no_line_behind() -> None:
    (token,) = some_tokens(1)
    base = packed(NOTHING, columns({token: SHAPES[3]}))
    merge = Merge(base, columns({token: SHAPES[0]}))
    assert len(b"".join(merge.records())) == records.RECORD.itemsize
    assert merge.lines() == b""


def test_records_that_change_under_a_reader_stop_it() -> None:
    """An account must not pass because its record cannot be read any more."""
    standings = some_standings(5)
    merge = Merge(NOTHING, columns(standings))
    content = b"".join(merge.records()) + merge.lines()
    firsts = np.array([int(token[:8], 16) for token in sorted(standings)], np.uint32)
    for damaged in (b"", content[:30], bytes(len(content))):
        base = PackedStandings(
            lambda at, size, damaged=damaged: damaged[at : at + size],  # type: ignore[misc]
            5,
            firsts,
            merge.out,
        )
        with pytest.raises(OptOutStale):
            base.find(list(standings))
