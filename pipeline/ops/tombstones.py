"""When the list may forget that an account was erased.

A tombstone keeps an erased account's events out when a copy of them is read once more: late, by
replay or by backfill. No event is taken that is older than the retention, and none of a closed
account is younger than its erasure, so once the oldest copy is past both, the tombstone protects
nothing any more and is itself the last thing known of the account.

Whoever is still opted out or restricted stays on the list as that: these end only on request.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from pipeline.ops.ledger import moment
from pipeline.privacy.optout import Standing

KEPT = timedelta(days=97)
"""The longest retention, and the seven days that a regular event may be late."""


def outlived(
    standings: Mapping[str, Standing], waiting: Collection[str], now: datetime
) -> list[str]:
    """Return the tokens whose tombstone protects nothing any more at `now`.

    `waiting` are accounts with a request that is not done: theirs stays, whatever its age.
    """
    return sorted(
        token
        for token, standing in standings.items()
        if standing.erased_at is not None
        and moment(standing.erased_at) + KEPT <= now
        and token not in waiting
    )
