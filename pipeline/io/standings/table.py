"""The opt-out list at one moment: packed records, and what changed since they were written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.io.standings.lines import TOKEN_DIGITS, StandingColumns, columns_of_changes, token_of
from pipeline.io.standings.records import NOTHING, PackedStandings, packed
from pipeline.privacy.optout import Standing, Standings

MANY = 1 << 16
"""Changes that a table may have beside its records, however few these are."""

_HEX = frozenset("0123456789abcdef")


class StandingTable(Standings):
    """Standings by token; what a change makes of it is another table on the same records."""

    __slots__ = ("_base", "_changes", "_count")

    def __init__(
        self,
        base: PackedStandings = NOTHING,
        changes: Mapping[str, Standing | None] | None = None,
        count: int | None = None,
    ) -> None:
        self._base = base
        self._changes = changes or {}
        self._count = len(base) if count is None else count

    def __repr__(self) -> str:
        return f"StandingTable(accounts={self._count})"

    def changed(self, newer: Mapping[str, Standing | None]) -> StandingTable:
        """Return the table after changes; None stands for a token that was forgotten."""
        there = self.find(list(newer))
        count = self._count
        for before, after in zip(there, newer.values(), strict=True):
            count += (after is not None) - (before is not None)
        return StandingTable(self._base, {**self._changes, **newer}, count)

    def compact(self) -> StandingTable:
        """Return the same table, with its changes among the records if they have become many."""
        if len(self._changes) <= max(MANY, len(self._base) // 32):
            return self
        return StandingTable(packed(self._base, columns_of_changes(self._changes)))

    def find(self, tokens: Sequence[str]) -> list[Standing | None]:
        """See `Standings.find`."""
        changes = self._changes
        if not len(self._base):
            return [changes.get(token) for token in tokens]
        if not changes:
            return self._base.find(tokens)
        found = dict(zip(tokens, self._base.find(tokens), strict=True))
        return [changes[token] if token in changes else found[token] for token in tokens]

    def count_out(self, now_us: int) -> int:
        """See `Standings.count_out`."""
        unusual = sum(standing.opted_out_at(now_us) for _, standing in self._base.unusual())
        before = self._base.find(list(self._changes))
        pairs = zip(before, self._changes.values(), strict=True)
        return self._base.out + unusual + sum(_out(b, now_us) - _out(a, now_us) for a, b in pairs)

    def erased(self) -> Iterator[tuple[str, Standing]]:
        """See `Standings.erased`."""
        for token, standing in self._base.unusual():
            if standing.erased_at is not None and token not in self._changes:
                yield token, standing
        for token, changed in self._changes.items():
            if changed is not None and changed.erased_at is not None:
                yield token, changed

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        yield from (token for token in self._base.tokens() if token not in self._changes)
        yield from (token for token, standing in self._changes.items() if standing is not None)

    def __getitem__(self, token: str) -> Standing:
        if len(token) == TOKEN_DIGITS and _HEX.issuperset(token):
            (found,) = self.find([token])
            if found is not None:
                return found
        raise KeyError(token)


def changes_of(columns: StandingColumns) -> dict[str, Standing | None]:
    """Return entries as a mapping, for a few of them."""
    tokens = map(token_of, columns.high.tolist(), columns.low.tolist())
    return {token: columns.standing(at) for at, token in enumerate(tokens)}


def _out(standing: Standing | None, now_us: int) -> int:
    return int(standing is not None and standing.opted_out_at(now_us))
