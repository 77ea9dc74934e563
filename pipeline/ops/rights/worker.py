"""Carry out rights requests: apply what is in the queue to the stored rows.

    tombstones   erased accounts are on the list before the first row is searched for
    holds        accounts under a hold keep their rows, and wait
    rows         removed, moved aside, moved back or handed out, all accounts of a kind at once
    receipt      chained; it names the requests, and counts
    queue        marked; tokens are forgotten once a second pass is over or none is needed
    list         tombstones that no longer protect anything are forgotten, with a receipt

Under-13 erasures go first, then all other removals in one pass over the lake, then restrictions
and releases in the order in which they came, then exports. Every step may be repeated, so the next
run recovers from a crash at any point. A running pipeline, a seal and an expiry are not
disturbed and do not disturb: what they changed meanwhile is planned again.

Unit of parallelism: none, one worker at a time (a lock in the state folder).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

from pipeline.errors import LakeError
from pipeline.events.schema import ACCOUNT_FIELD, SUBJECT, EventSchema
from pipeline.io.disk.locks import locked
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.table import StoredTable
from pipeline.io.rights.export_folder import remove_export, remove_exports
from pipeline.io.rights.optout_list import OptOutList
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import AccountTokens, Request, RequestKind, RequestQueue
from pipeline.io.standings.entries import erased, forgotten, released, restricted
from pipeline.io.state_folder import StateFolder
from pipeline.ops.rights.access_export import export_account
from pipeline.ops.rights.deadlines import REMOVING, due, entry_of, is_held, outlived
from pipeline.ops.rights.erasure import Subjects, erase, find, holders, merged
from pipeline.ops.rights.restriction import Restriction
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.optout import Standing

EXPORTS_KEPT = timedelta(days=30)
ERASURES = frozenset({RequestKind.ERASE, RequestKind.ERASE_UNDER_13})


@dataclass(frozen=True, slots=True)
class ErasureTarget:
    """A table that holds rows of people, and is searched by every erasure."""

    name: str
    table: StoredTable


def erasure_targets(lake: Lake) -> list[ErasureTarget]:
    """Return every table of the lake that has a subject column.

    Raises LakeError if a table has no column by which it could be searched.
    """
    found = [ErasureTarget(f"events/{event}", lake.stored(event)) for event in lake.stored_events()]
    found += [
        ErasureTarget(f"restricted/{name}", lake.restricted(name))
        for name in lake.restricted_events()
    ]
    for target in found:
        if SUBJECT not in target.table.log.schema.names:
            raise LakeError(
                "A table of events has no subject column, so nobody could be erased from it",
                where=target.table.log.uri,
                remedy=f"Give its schema the field {ACCOUNT_FIELD} with the treatment "
                "pseudonymize[subj], or move the table out of the lake.",
            )
    return found


@dataclass(slots=True)
class Worked:
    """What one run did; counts of requests by kind, and of rows."""

    swept: Counter[str] = field(default_factory=Counter)
    """Carried out for the first time."""
    finished: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    """Due, but waiting for the end of a legal hold."""
    rows_removed: int = 0
    rows_moved: int = 0
    rows_exported: int = 0
    tombstones_forgotten: int = 0
    receipts: list[int] = field(default_factory=list)
    exports: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rights:
    """The worker over one lake and one state folder."""

    lake: Lake
    schemas: Mapping[str, tuple[EventSchema, ...]]
    queue: RequestQueue
    optouts: OptOutList
    receipts: Receipts
    state: Path
    epochs: EpochKind
    progress: Callable[[str], None] = lambda _: None
    held: Callable[[datetime], Collection[str]] = lambda _: ()
    """The accounts whose rows a legal hold keeps at a time, by opt-out token."""

    def work(self, now: datetime, only: Collection[str] | None = None) -> Worked:
        """Carry out everything that is due, or those of the requests numbered `only`.

        Raises TelemetryError; what was finished before stays finished and is in a receipt.
        """
        done = Worked()
        with locked(StateFolder(self.state).rights_lock):
            for _, pair in self._pairs():
                pair.finish()
            waiting = [
                one for one in due(self.queue.pending(), now) if only is None or one.number in only
            ]
            held = self.held(now)
            done.held = Counter(one.kind.value for one in waiting if is_held(one, held))
            self._forbid([one for one in waiting if is_held(one, held)], now)
            removing = [one for one in waiting if one.kind in REMOVING and not is_held(one, held)]
            children = [one for one in removing if one.kind is RequestKind.ERASE_UNDER_13]
            others = [one for one in removing if one.kind is not RequestKind.ERASE_UNDER_13]
            self._remove(children, now, done)
            self._remove(others, now, done)
            self._move(waiting, now, done)
            for one in waiting:
                if one.kind is RequestKind.EXPORT:
                    self._hand_out(one, StateFolder(self.state).exports / one.number, now, done)
            remove_exports(StateFolder(self.state).exports, EXPORTS_KEPT, now)
            if only is None:
                self._forget(now, done)
        return done

    def count(self, subjects: Subjects) -> dict[str, int]:
        """Return how many rows of `subjects` each table holds, without changing anything."""
        return {
            target.name: sum(found.rows for found in find(target.table, subjects))
            for target in erasure_targets(self.lake)
        }

    def unknown(self, people: Sequence[AccountTokens]) -> int:
        """Return how many of these accounts have no row in any table; nothing is changed."""
        subjects = Subjects(self.epochs, merged(one.subjects for one in people))
        held = set[str]().union(
            *(holders(target.table, subjects) for target in erasure_targets(self.lake))
        )
        return sum(held.isdisjoint(one.subjects.values()) for one in people)

    def hand_out(self, request: Request, out: Path, now: datetime) -> Worked:
        """Export one account to the new folder `out`, write the receipt, finish the request."""
        done = Worked()
        with locked(StateFolder(self.state).rights_lock):
            for _, pair in self._pairs():
                pair.finish()
            self._hand_out(request, out, now, done)
        return done

    def _hand_out(self, request: Request, out: Path, now: datetime, done: Worked) -> None:
        if out.parent == StateFolder(self.state).exports:
            remove_export(out)  # left by a run that was interrupted before its receipt
        self.progress("export")
        standing = self.optouts.standings().get(request.tokens.account, Standing())
        exported = export_account(
            self.lake, self.schemas, self._subjects([request]), standing, now, out
        )
        body = {"requests": [request.number], "rows": dict(exported.rows)}
        done.receipts.append(self.receipts.write("export", body, now).number)
        done.finished["export"] += self.queue.finish([request.number], now)
        done.rows_exported += exported.total
        done.exports.append(out)

    def _remove(self, requests: Sequence[Request], now: datetime, done: Worked) -> None:
        """Remove the rows of many accounts in one pass over every table."""
        if not requests:
            return
        self._forbid(requests, now)
        # An account that opted in again keeps its newer rows: it has had its first pass.
        out = self.optouts.standings()
        meant = [
            one for one in requests if one.swept_at is None or _is_out(out.get(one.tokens.account))
        ]
        subjects = self._subjects(meant)
        tables: dict[str, dict[str, int]] = {}
        for target in erasure_targets(self.lake) if meant else ():
            name = target.name
            self.progress(name)
            rewritten = erase(
                target.table,
                subjects,
                job="erase",
                progress=partial(self._say, name),
            )
            done.rows_removed += rewritten.rows_removed
            tables[name] = {
                "files_before": rewritten.files_before,
                "files_after": rewritten.files_after,
                "rows_before": rewritten.rows_before,
                "rows_removed": rewritten.rows_removed,
                "rows_after": rewritten.rows_after,
            }
        self._settle(requests, "erase", {"tables": tables, "verified": True}, now, done)

    def _forbid(self, requests: Sequence[Request], now: datetime) -> None:
        """Put the accounts of erasures on the list; none of their events is accepted after that."""
        erasing = [one.tokens.account for one in requests if one.kind in ERASURES]
        self.optouts.change(erasing, erased, now)

    def _forget(self, now: datetime, done: Worked) -> None:
        """Remove tombstones from the list when no copy of an event is left for them to keep out."""
        waiting = {one.tokens.account for one in self.queue.pending()}
        old = outlived(self.optouts.standings(), waiting, now)
        if not old:
            return
        done.tombstones_forgotten = self.optouts.change(old, forgotten, now)
        body = {"tombstones": done.tombstones_forgotten}
        done.receipts.append(self.receipts.write("forget", body, now).number)

    def _move(self, requests: Sequence[Request], now: datetime, done: Worked) -> None:
        """Carry out restrictions and releases in the order in which they came."""
        moves = [one for one in requests if one.kind in (RequestKind.RESTRICT, RequestKind.RELEASE)]
        last = {one.tokens.account: one.kind for one in self.queue.pending() if one in moves}
        for kind, run in groupby(moves, key=lambda one: one.kind):
            batch = list(run)
            final = [
                one.tokens.account
                for one in batch
                if one.swept_at is None and last[one.tokens.account] is kind
            ]
            change = restricted if kind is RequestKind.RESTRICT else released
            self.optouts.change(final, change, now)
            standings = self.optouts.standings()
            meant = [
                one
                for one in batch
                if one.swept_at is None or _is_restricted(standings.get(one.tokens.account))
            ]
            tables: dict[str, int] = {}
            for event, pair in self._pairs() if meant else ():
                self.progress(f"{kind.value} {event}")
                move = pair.restrict if kind is RequestKind.RESTRICT else pair.release
                tables[event] = move(self._subjects(meant))
            done.rows_moved += sum(tables.values())
            self._settle(batch, kind.value, {"rows_moved": tables}, now, done)

    def _settle(
        self,
        requests: Sequence[Request],
        kind: str,
        result: dict[str, object],
        now: datetime,
        done: Worked,
    ) -> None:
        """Write the receipt of a batch, then mark its requests."""
        entries = [entry_of(one, now) for one in requests]
        body = {
            "requests": [entry.number for entry in entries],
            "kinds": dict(Counter(entry.kind.value for entry in entries)),
            "oldest": min(entry.received for entry in entries).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "clocks": dict(Counter(entry.clock.value for entry in entries)),
            "second_pass": sum(one.swept_at is not None for one in requests),
            **result,
        }
        done.receipts.append(self.receipts.write(kind, body, now).number)
        over = [one for one in entries if one.second_pass is None or now >= one.second_pass]
        done.swept += Counter(one.kind.value for one in requests if one.swept_at is None)
        done.finished += Counter(entry.kind.value for entry in over)
        finished = {entry.number for entry in over}
        self.queue.sweep([one.number for one in requests if one.number not in finished], now)
        self.queue.finish(sorted(finished), now)

    def _say(self, name: str, day: date) -> None:
        self.progress(f"{name} {day}")

    def _pairs(self) -> Iterator[tuple[str, Restriction]]:
        for event in self.lake.stored_events():
            yield event, Restriction(self.lake.stored(event), self.lake.restricted(event))

    def _subjects(self, requests: Sequence[Request]) -> Subjects:
        return Subjects(self.epochs, merged(one.tokens.subjects for one in requests))


def _is_out(standing: Standing | None) -> bool:
    """Whether nothing of the account may be stored: it is erased, or opted out."""
    if standing is None:
        return False
    return standing.erased_at is not None or any(stop is None for _, stop in standing.intervals)


def _is_restricted(standing: Standing | None) -> bool:
    return standing is not None and standing.restricted is not None
