"""The opt-out test: whose events are dropped, and for which reason.

A person is known here by the token of the account id under the permanent opt-out key; the list
holds tokens and standings, never ids. Processing time decides: an account that is opted out now
loses every event that arrives, and events from inside an earlier opt-out stay dropped after opting
in again. Events without an account id obey the signals alone. Reading the list, and refusing to
continue with a stale one, is up to `io/` and `flow/`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.events.model import Drop, RawBatch
from pipeline.events.schema import ACCOUNT_FIELD, SIGNAL_FIELDS
from pipeline.privacy.columns import (
    Bools,
    Ints,
    distinct,
    keep_rows,
    numbers,
    raw_column,
    validity,
)
from pipeline.privacy.identity.tokens import IDENTIFIER_LIMIT, TOKEN_BYTES, Domain, TokenKey
from pipeline.privacy.memo import Memo

_ORDER = (Drop.ERASED, Drop.RESTRICTED, Drop.OPT_OUT, Drop.SIGNAL)
"""A row to which several reasons apply is counted under the first."""

Batch = TypeVar("Batch")
Interval = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one account has asked for. Times are microseconds since 1970-01-01 UTC."""

    intervals: tuple[Interval, ...] = ()
    """Opt-outs as half-open intervals `[from, to)`; `to` is None while it lasts."""
    erased_at: int | None = None
    """When erasure was requested: no event of the account is accepted after that."""
    restricted: int | None = None
    """When processing was restricted (Art. 18); None while it is not."""

    def opted_out_at(self, now_us: int) -> bool:
        """Whether an opt-out is in force at that time.

        One that lasts is in force even if it begins a little later than `now_us`: the clock
        that wrote it may be ahead of ours.
        """
        return any(stop is None or start <= now_us < stop for start, stop in self.intervals)

    def covers(self, event_us: Ints) -> Bools:
        """Which of these event times are inside an opt-out."""
        inside = np.zeros(len(event_us), dtype=np.bool_)
        for start, stop in self.intervals:
            inside |= (event_us >= start) & (True if stop is None else event_us < stop)
        return inside


class Standings(Mapping[str, Standing]):
    """Standings by opt-out token, for a list that is too long to be looked at one by one."""

    __slots__ = ()

    @abstractmethod
    def find(self, tokens: Sequence[str]) -> Sequence[Standing | None]:
        """Return the standing of each of these distinct tokens; None for one that has none."""

    @abstractmethod
    def count_out(self, now_us: int) -> int:
        """Return how many accounts are opted out at a time."""

    @abstractmethod
    def erased(self) -> Iterator[tuple[str, Standing]]:
        """Yield the tokens of erased accounts, with their standings."""


@dataclass(frozen=True, slots=True, repr=False)
class OptOutState:
    """The whole list at one moment: standings by opt-out token (32 hex digits)."""

    standings: Mapping[str, Standing] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"OptOutState(accounts={len(self.standings)})"

    def find(self, tokens: Sequence[str]) -> Sequence[Standing | None]:
        """Return the standing of each of these distinct tokens; None for one that has none."""
        if isinstance(self.standings, Standings):
            return self.standings.find(tokens)
        return [self.standings.get(token) for token in tokens]

    def count_out(self, now_us: int) -> int:
        """Return how many accounts are opted out at a time, in microseconds since 1970."""
        if isinstance(self.standings, Standings):
            return self.standings.count_out(now_us)
        return sum(standing.opted_out_at(now_us) for standing in self.standings.values())


def erased_in(standings: Mapping[str, Standing]) -> Iterator[tuple[str, Standing]]:
    """Yield the tokens of erased accounts, with their standings."""
    if isinstance(standings, Standings):
        yield from standings.erased()
        return
    for token, standing in standings.items():
        if standing.erased_at is not None:
            yield token, standing


class OptOutGate:
    """Drops what must not be processed, before anything else looks at it.

    `key` is the permanent opt-out key; `KeyUnavailable` if it is too short.
    """

    __slots__ = ("_tokens",)

    def __init__(self, key: bytes) -> None:
        tokens = TokenKey(key)

        def answer(accounts: Sequence[bytes]) -> list[str]:
            digests = tokens.digests(Domain.OPTOUT, accounts)
            return [digest[:TOKEN_BYTES].hex() for digest in digests]

        self._tokens = Memo(answer)

    def drop(
        self, batch: RawBatch, state: OptOutState, now_us: int, *, time_field: str
    ) -> RawBatch:
        """The batch without the rows that `state` or a signal forbids; they are only counted.

        `now_us` is the processing time in microseconds since 1970, `time_field` the raw field of
        the event time. An event without a time is dropped if its account was ever opted out: it
        may be from then. A row is counted once: erased, restricted, opted out, signal, in this
        order. The remaining rows are in new buffers that have held no dropped row.
        """
        rows = batch.rows
        reasons = self._by_account(rows, state, now_us, time_field)
        reasons[(reasons < 0) & _signalled(rows)] = _ORDER.index(Drop.SIGNAL)
        keep = reasons < 0
        if keep.all():
            return batch
        counts = np.bincount(reasons[~keep], minlength=len(_ORDER)).tolist()
        dropped = dict(batch.dropped)
        for reason, count in zip(_ORDER, counts, strict=True):
            if count:
                dropped[reason] = dropped.get(reason, 0) + count
        return RawBatch(
            span=batch.span,
            event=batch.event,
            read=batch.read,
            rows=keep_rows(rows, keep),
            rejected=batch.rejected,
            dropped=dropped,
            nulled=batch.nulled,
        )

    def _by_account(
        self, rows: pa.RecordBatch, state: OptOutState, now_us: int, time_field: str
    ) -> Ints:
        reasons = np.full(rows.num_rows, -1, dtype=np.int64)
        if not state.standings or not rows.num_rows:
            return reasons
        accounts = distinct(raw_column(rows, ACCOUNT_FIELD, pa.string()))
        ids = accounts.values.cast(pa.binary())
        sizes = pc.binary_length(ids)
        # A value that is too long for a token is rejected later; the list cannot hold it.
        possible = pc.and_(pc.greater(sizes, 0), pc.less_equal(sizes, IDENTIFIER_LIMIT))
        found = iter(state.find(self._tokens.get(ids.filter(possible).to_pylist())))
        standings = [next(found) if is_id else None for is_id in possible.to_pylist()]
        verdicts = np.full(len(standings) + 1, -1, dtype=np.int64)
        former: list[tuple[int, Standing]] = []
        for code, standing in enumerate(standings):
            if standing is None:
                continue
            verdict = _verdict(standing, now_us)
            if verdict is not None:
                verdicts[code] = _ORDER.index(verdict)
            elif standing.intervals:
                former.append((code, standing))
        reasons = verdicts[accounts.codes]
        if former:
            times, unknown = _event_times(rows, time_field)
            order = np.argsort(accounts.codes, kind="stable")
            ordered = accounts.codes[order]
            for code, standing in former:
                first, last = np.searchsorted(ordered, (code, code + 1))
                mine = order[first:last]
                covered = standing.covers(times[mine]) | unknown[mine]
                reasons[mine[covered]] = _ORDER.index(Drop.OPT_OUT)
        return reasons


def _verdict(standing: Standing, now_us: int) -> Drop | None:
    """Why every event of the account is dropped, whatever its time; None if not."""
    if standing.erased_at is not None:
        return Drop.ERASED
    if standing.restricted is not None:
        return Drop.RESTRICTED
    return Drop.OPT_OUT if standing.opted_out_at(now_us) else None


def _event_times(rows: pa.RecordBatch, time_field: str) -> tuple[Ints, Bools]:
    """Event times, and the rows that have none: they may have been in any interval."""
    column = raw_column(rows, time_field, pa.timestamp("us", tz="UTC"))
    valid = validity(column)
    unknown = np.zeros(len(column), dtype=np.bool_) if valid is None else ~valid
    return np.asarray(numbers(column), dtype=np.int64), unknown


def _signalled(rows: pa.RecordBatch) -> Bools:
    """Rows where a signal is exactly `1`, or a list of header values holds exactly `1`."""
    found = np.zeros(rows.num_rows, dtype=np.bool_)
    for name in SIGNAL_FIELDS:
        column = raw_column(rows, name, pa.string())
        if column.null_count == len(column):
            continue
        said = distinct(column)
        ones = [
            any(part.strip(" \t") == "1" for part in value.split(","))
            for value in said.values.to_pylist()
        ]
        found |= np.array([*ones, False])[said.codes]
    return found
