"""A table answers as the plain mapping of the same standings does, after any changes."""

from __future__ import annotations

import pytest

from pipeline.io.standings import table
from pipeline.io.standings.lines import LineReader
from pipeline.io.standings.records import NOTHING, packed
from pipeline.io.standings.table import StandingTable, changes_of
from pipeline.privacy.optout import OptOutState, Standing, erased_in
from tests.unit.io.standings.entries import AT, SHAPES, lines_of, some_standings, some_tokens

Changes = dict[str, Standing | None]


def table_of(standings: dict[str, Standing]) -> StandingTable:
    reader = LineReader()
    reader.add(lines_of(standings))
    return StandingTable(packed(NOTHING, reader.columns()))


def changes(old: dict[str, Standing]) -> Changes:
    tokens = list(old)
    changed: Changes = dict(zip(tokens[::3], SHAPES * 9, strict=False))
    return changed | dict.fromkeys(tokens[1::4]) | some_standings(5, seed=5)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_table_is_the_mapping_of_its_standings(count: int) -> None:
    old = some_standings(count)
    for base in (table_of(old), StandingTable().changed(dict(old))):
        ours_now, plain = base, dict(old)
        for newer in (changes(old), {}, dict.fromkeys(some_tokens(4, seed=5)), dict(old)):
            ours_now = ours_now.changed(newer)
            plain |= {token: one for token, one in newer.items() if one is not None}
            plain = {t: one for t, one in plain.items() if newer.get(t, one) is not None}
            assert dict(ours_now) == plain
            assert len(ours_now) == len(plain)
            ours, theirs = OptOutState(ours_now), OptOutState(plain)
            asked = [*plain, *some_tokens(3, seed=8)]
            assert ours.find(asked) == theirs.find(asked)
            for now in (0, 7, AT, AT + 10):
                assert ours.count_out(now) == theirs.count_out(now)
            assert dict(erased_in(ours_now)) == dict(erased_in(plain))
        assert dict(base) == old


def test_a_table_with_many_changes_becomes_records_of_the_same_standings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = some_standings(30)
    changed = table_of(old).changed(changes(old))
    assert changed.compact() is changed
    monkeypatch.setattr(table, "MANY", 3)
    compact = changed.compact()
    assert compact is not changed
    assert compact.compact() is compact
    assert (dict(compact), len(compact)) == (dict(changed), len(changed))


def test_what_is_no_token_is_not_on_the_list() -> None:
    short = table_of(some_standings(3))
    for odd in ("", "x" * 32, "0" * 31, "A" * 32):
        assert odd not in short
        assert short.get(odd) is None


def test_a_table_shows_how_many_it_holds_and_not_whom() -> None:
    standings = some_standings(3)
    shown = repr(table_of(standings)) + repr(OptOutState(table_of(standings)))
    assert shown == "StandingTable(accounts=3)OptOutState(accounts=3)"


def test_columns_become_changes() -> None:
    reader = LineReader()
    reader.add(lines_of(some_standings(4)))
    assert changes_of(reader.columns()) == some_standings(4)
