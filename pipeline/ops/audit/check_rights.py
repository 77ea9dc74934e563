"""Audit checks of requests: in time, carried out, and on record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from pipeline.errors import counted
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.audit.audit import (
    Audited,
    Check,
    Observation,
    broken,
    kept,
    not_applicable,
    unless,
)
from pipeline.ops.rights.deadlines import REMOVING, Lateness, RequestStage, entry_of
from pipeline.ops.rights.worker import ERASURES


def _in_time(kinds: Collection[RequestKind]) -> Callable[[Audited], Observation]:
    def look(audited: Audited) -> Observation:
        held = audited.holds.accounts(audited.now.date())
        entries = [
            entry_of(one, audited.now, held) for one in audited.queue.all() if one.kind in kinds
        ]
        if not entries:
            return not_applicable("there was no such request")
        late = [
            f"request {one.number}: {one.stage.value}, received {one.received:%Y-%m-%d}, "
            f"limit {one.hard:%Y-%m-%d %H:%M}"
            for one in entries
            if one.clock is Lateness.BROKEN and one.stage is not RequestStage.HELD
        ]
        kept_back = sum(one.stage is RequestStage.HELD for one in entries)
        waiting = sum(one.stage is RequestStage.WAITING for one in entries)
        return unless(
            late,
            f"{counted(len(entries), 'request')}, {waiting} waiting, none beyond its limit"
            + (f"; {kept_back} kept back by a legal hold" if kept_back else ""),
            "requests were not carried out within their limit",
        )

    return look


def _receipts_complete(audited: Audited) -> Observation:
    named: set[object] = set()
    destroyed: set[object] = set()
    for receipt in audited.receipts.all():
        requests, keys = receipt.body.get("requests"), receipt.body.get("keys_destroyed")
        named |= set(requests) if isinstance(requests, list) else set()
        destroyed |= set(keys) if isinstance(keys, list) else set()
    requests = [one for one in audited.queue.all() if one.swept_at or one.done_at]
    found = [
        f"request {one.number}: carried out, but in no receipt"
        for one in requests
        if one.number not in named
    ]
    gone = [record.name for record in audited.keys().epochs() if not record.live]
    found += [
        f"epoch {name}: its key was destroyed, but no receipt says so"
        for name in gone
        if name not in destroyed
    ]
    if not requests and not gone:
        return not_applicable("nothing was carried out or destroyed yet")
    detail = (
        f"{counted(len(requests), 'request')} and {counted(len(gone), 'destroyed key')}, "
        "each in a receipt"
    )
    return unless(found, detail, "receipts are missing")


def _receipts_chained(audited: Audited) -> Observation:
    wrong = audited.receipts.verify()
    if wrong is not None:
        return broken("the chain of receipts does not hold", [f"line {wrong.line}: {wrong.why}"])
    count = counted(len(audited.receipts.all()), "receipt")
    return kept(f"{count}, each with the hash of the one before")


def _optout_list_known(audited: Audited) -> Observation:
    standings, age = audited.optouts()
    if age is not None and age > audited.optout_limit:
        minutes = age.total_seconds() / 60
        return broken(f"the list is {minutes:.0f} minutes old: no heartbeat came since")
    missing = [
        f"request {one.number}: the account is not on the list as erased"
        for one in audited.queue.pending()
        if one.kind in ERASURES
        and one.swept_at is not None
        and (one.tokens.account not in standings or standings[one.tokens.account].erased_at is None)
    ]
    return unless(
        missing,
        f"{counted(len(standings), 'account')}, read to the end of the list",
        "erased accounts lack their tombstone",
    )


RIGHTS: Mapping[str, Check] = {
    check.name: check
    for check in (
        Check(
            "erasures_in_time",
            "ledger",
            "Erasures were carried out within 30 days.",
            _in_time(ERASURES),
        ),
        Check(
            "purges_in_time",
            "ledger",
            "Rows from before an opt-out were removed within 30 days.",
            _in_time(REMOVING - ERASURES),
        ),
        Check(
            "exports_in_time",
            "ledger",
            "Access was given within 30 days.",
            _in_time({RequestKind.EXPORT}),
        ),
        Check(
            "restrictions_in_time",
            "ledger",
            "Restrictions and releases were carried out within 30 days.",
            _in_time({RequestKind.RESTRICT, RequestKind.RELEASE}),
        ),
        Check(
            "children_in_time",
            "ledger",
            "Accounts of children were erased within 72 hours.",
            _in_time({RequestKind.ERASE_UNDER_13}),
        ),
        Check(
            "receipts_complete",
            "receipts",
            "Whatever was carried out or destroyed is in a receipt.",
            _receipts_complete,
        ),
        Check(
            "receipts_chained",
            "receipts",
            "No receipt was removed, changed or moved.",
            _receipts_chained,
        ),
        Check(
            "optout_list_known",
            "opt-out list",
            "The list can be read to its end, is fresh, and holds every tombstone.",
            _optout_list_known,
        ),
    )
}
