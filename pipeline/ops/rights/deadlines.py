"""The clock of rights requests: when each is due, and how it stands.

    target   what we aim at
    warn     somebody should look
    page     somebody is woken up
    hard     the promise is broken

Erasures, purges and all others: 72 h, 7 d, 20 d, 30 d. Of a child under 13: 24 h, 36 h, 48 h,
72 h. The clock stops when the rows are gone; a second pass eight days after the request catches
what was on its way. A legal hold on the account stops the removal, not the clock. This module only
knows the rules; the queue has the entries.

It also knows when the list may forget that an account was erased. A tombstone keeps an erased
account's events out when a copy of them is read again: late, by replay or by backfill. No event
older than the retention is accepted, and no event of a closed account is younger than its erasure,
so once the oldest copy is past both, the tombstone protects nothing and is itself the last thing
known about the account. Accounts that are still opted out or restricted stay on the list as such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.io.rights.request_queue import Request, RequestKind
from pipeline.privacy.identity.epochs import UNIX_EPOCH
from pipeline.privacy.optout import Standing, erased_in

SECOND_PASS = timedelta(days=8)
"""An event may arrive seven days late, and a worker's list may be a little behind."""
REMOVING = frozenset({RequestKind.ERASE, RequestKind.ERASE_UNDER_13, RequestKind.PURGE})
"""Kinds after which no row of the account may be left, so they get a second pass."""
SETTING_ASIDE = REMOVING | {RequestKind.RESTRICT}
KEPT = timedelta(days=97)
"""The longest retention, and the seven days that a regular event may be late."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request may take."""

    target: timedelta
    warn: timedelta
    page: timedelta
    hard: timedelta


ORDINARY = Limits(timedelta(hours=72), timedelta(days=7), timedelta(days=20), timedelta(days=30))
UNDER_13 = Limits(
    timedelta(hours=24), timedelta(hours=36), timedelta(hours=48), timedelta(hours=72)
)


class Lateness(StrEnum):
    """How a request stands against its limits."""

    IN_TIME = "in_time"
    LATE = "late"
    """Past its target."""
    WARN = "warn"
    PAGE = "page"
    BROKEN = "broken"
    """Past its hard limit."""


class RequestStage(StrEnum):
    """How far a request has got."""

    WAITING = "waiting"
    HELD = "held"
    """A legal hold keeps the rows of its account; the request is carried out when that ends."""
    SWEPT = "swept"
    """Its rows are gone; the second pass is to come."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One request in the ledger; it contains no token and no id."""

    number: str
    kind: RequestKind
    received: datetime
    stage: RequestStage
    clock: Lateness
    target: datetime
    hard: datetime
    second_pass: datetime | None
    """When its second pass is due; None if it needs none or has had it."""
    carried_out: datetime | None
    """When its rows were gone for the first time."""


def limits_of(kind: RequestKind) -> Limits:
    """Return how long a request of this kind may take."""
    return UNDER_13 if kind is RequestKind.ERASE_UNDER_13 else ORDINARY


def entry_of(request: Request, now: datetime, held: Collection[str] = ()) -> LedgerEntry:
    """Return how `request` stands at `now`; if it was carried out, how it stood at that time.

    `held` is the accounts whose rows a legal hold keeps now.
    """
    received = moment(request.at)
    limits = limits_of(request.kind)
    ended = request.swept_at if request.swept_at is not None else request.done_at
    carried_out = None if ended is None else moment(ended)
    stage = RequestStage.WAITING if carried_out is None else RequestStage.SWEPT
    if is_held(request, held):
        stage = RequestStage.HELD
    if request.done_at is not None:
        stage = RequestStage.DONE
    return LedgerEntry(
        request.number,
        request.kind,
        received,
        stage,
        _clock((carried_out or now) - received, limits),
        received + limits.target,
        received + limits.hard,
        received + SECOND_PASS
        if stage is not RequestStage.DONE and request.kind in SETTING_ASIDE
        else None,
        carried_out,
    )


def is_held(request: Request, held: Collection[str]) -> bool:
    """Whether a legal hold stops the request: it would remove rows of an account in `held`."""
    return request.kind in REMOVING and request.tokens.account in held


def due(requests: Iterable[Request], now: datetime) -> list[Request]:
    """Return the requests to carry out at `now`, for the first or the second time, in order."""
    return [
        one
        for one in requests
        if one.done_at is None and (one.swept_at is None or now >= moment(one.at) + SECOND_PASS)
    ]


def moment(micros: int) -> datetime:
    """Return the time of a request's stamp."""
    return UNIX_EPOCH + timedelta(microseconds=micros)


def _clock(age: timedelta, limits: Limits) -> Lateness:
    for limit, clock in (
        (limits.hard, Lateness.BROKEN),
        (limits.page, Lateness.PAGE),
        (limits.warn, Lateness.WARN),
        (limits.target, Lateness.LATE),
    ):
        if age > limit:
            return clock
    return Lateness.IN_TIME


def outlived(
    standings: Mapping[str, Standing], waiting: Collection[str], now: datetime
) -> list[str]:
    """Return the tokens whose tombstone no longer protects anything at `now`.

    `waiting` is the accounts with a request that is not done: their tombstones stay at any age.
    """
    return sorted(
        token
        for token, standing in erased_in(standings)
        if standing.erased_at is not None
        and moment(standing.erased_at) + KEPT <= now
        and token not in waiting
    )
