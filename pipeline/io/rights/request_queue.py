"""Rights requests that wait to be carried out: a durable queue in the state folder.

A request holds no account id. Its tokens are computed when it comes in: the opt-out token, and
the subject token of every epoch that could hold a row of the account, now or from events that
are still on their way (the oldest day a backfill may bring, to an hour from now). Epochs that
begin later cannot get rows, because the account is on the opt-out list before the request is
carried out. A request whose rows are gone is `swept` and keeps its tokens for a second pass; when
it is finished they are removed; its number stays for receipts.

    {"request": "<16 hex>", "kind": "purge", "at": t, "account": "<32 hex>",
     "subjects": {"4weeks-0037": "<32 hex>", ...}, "swept": t or null, "done": t or null}
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pipeline.errors import EnvironmentProblem
from pipeline.io.disk.append_log import AppendFile, Register
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.list_marker import FileGone
from pipeline.io.keys.keystore import Keystore
from pipeline.io.rights.optout_list import OptOutList
from pipeline.io.standings.entries import to_micros, to_text
from pipeline.parsing import parse_json
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of
from pipeline.privacy.identity.tokens import Domain, TokenKey
from pipeline.privacy.optout import Standing

AHEAD = timedelta(hours=1)
"""An event may be five minutes ahead and a worker's opt-out list fifteen minutes behind."""


class RequestKind(StrEnum):
    """What was asked for."""

    PURGE = "purge"
    """Remove stored rows after an opt-out."""
    ERASE = "erase"
    ERASE_UNDER_13 = "erase_under_13"
    RESTRICT = "restrict"
    RELEASE = "release"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, repr=False)
class AccountTokens:
    """Everything under which one account may be stored."""

    account: str
    """The token of the opt-out list."""
    subjects: Mapping[str, str]
    """The subject token of each epoch, by the epoch's name."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `done_at` is None while it waits. Times in microseconds since 1970."""

    number: str
    kind: RequestKind
    at: int
    tokens: AccountTokens = field(repr=False)
    done_at: int | None = None
    swept_at: int | None = None
    """When its rows were first removed; then it waits for its second pass."""


@dataclass(frozen=True, slots=True)
class OptedOut:
    """What opting out changed."""

    added: int
    """Accounts that were not opted out before."""
    queued: int
    """Purges of stored rows that were queued now."""


def account_tokens(
    account_ids: Sequence[str],
    *,
    optouts: OptOutList,
    keys: Keystore,
    epochs: EpochKind,
    now: datetime,
    reach_days: int = 89,
) -> list[AccountTokens]:
    """Return the tokens of accounts in every live epoch and every epoch that may still get rows.

    `reach_days` is the greatest age of an event when it is stored. Raises KeyUnavailable, and
    UsageError for an id that cannot be one.
    """
    names = {record.name for record in keys.epochs() if record.live}
    day, last = (now - timedelta(days=reach_days)).date(), (now + AHEAD).date()
    while day <= last:
        epoch = epoch_of(day, epochs)
        names.add(epoch.name)
        day = epoch.last_day + timedelta(days=1)
    subjects: list[dict[str, str]] = [{} for _ in account_ids]
    for name in sorted(names):
        key = keys.epoch_key(Epoch.parse(name))
        if key is None:
            continue
        tokens = TokenKey(key).tokens(Domain.SUBJECT, account_ids)
        for mine, token in zip(subjects, tokens, strict=True):
            mine[name] = token.hex()
    accounts = optouts.tokens(account_ids)
    return [AccountTokens(*pair) for pair in zip(accounts, subjects, strict=True)]


class RequestQueue:
    """The queue in a local file, shared by processes."""

    def __init__(self, path: Path, register: Register | None = None) -> None:
        self._file = AppendFile(path, register)

    def __repr__(self) -> str:
        return f"RequestQueue({str(self._file.path)!r})"

    def submit(
        self,
        kind: RequestKind,
        people: Sequence[AccountTokens],
        now: datetime,
        *,
        unless_since: Sequence[int | None] | None = None,
        numbers: Sequence[str] | None = None,
    ) -> list[Request]:
        """Queue one request for each account and return them; durable when this returns.

        `numbers` (16 hex digits) names the requests: one whose number is known, waiting or done,
        is not queued again, so that a message may be handled twice.

        With `unless_since`, an account is skipped if the same kind of request has been
        waiting since that time (microseconds) or later; None queues in any case.
        """
        at = to_micros(now)
        limits = unless_since or [None] * len(people)
        names = numbers or [secrets.token_hex(8) for _ in people]
        with self._faults(), self._file.exclusive():
            there = self._read()
            known = {request.number for request in there}
            latest = {
                request.tokens.account: request.at
                for request in there
                if request.kind is kind and request.done_at is None
            }
            fresh = [
                Request(number, kind, at, person)
                for person, limit, number in zip(people, limits, names, strict=True)
                if number not in known and (limit is None or latest.get(person.account, -1) < limit)
            ]
            if fresh:
                self._file.append([_encode(request) for request in fresh])
        return fresh

    def pending(self) -> tuple[Request, ...]:
        """Return the waiting requests: under-13 first, then by age."""
        waiting = [request for request in self.all() if request.done_at is None]
        waiting.sort(key=lambda one: (one.kind is not RequestKind.ERASE_UNDER_13, one.at))
        return tuple(waiting)

    def all(self) -> tuple[Request, ...]:
        """Return every request in the order of arrival; finished ones without their tokens."""
        with self._faults():
            return tuple(self._read())

    def finish(self, numbers: Sequence[str], now: datetime) -> int:
        """Mark requests as done and remove their tokens, in one step; return how many waited."""
        at = to_micros(now)
        nobody = AccountTokens("", {})
        return self._change(
            numbers,
            lambda one: replace(one, tokens=nobody, done_at=at, swept_at=one.swept_at or at),
        )

    def sweep(self, numbers: Sequence[str], now: datetime) -> int:
        """Mark requests as carried out but for a second pass; return how many were not yet."""
        at = to_micros(now)
        return self._change(
            numbers, lambda one: one if one.swept_at is not None else replace(one, swept_at=at)
        )

    def _change(self, numbers: Sequence[str], change: Callable[[Request], Request]) -> int:
        """Apply `change` to waiting requests, in one step; return how many became different."""
        meant, changed = set(numbers), 0
        with self._faults(), self._file.exclusive():
            requests = self._read()
            for index, request in enumerate(requests):
                if request.number in meant and request.done_at is None:
                    requests[index] = change(request)
                    changed += requests[index] != request
            if changed:
                self._file.replace([_encode(request).encode() for request in requests])
        return changed

    def _read(self) -> list[Request]:
        try:
            lines = self._file.read().lines
        except FileGone as error:
            raise self._broken(str(error)) from None
        requests = []
        for number, line in enumerate(lines, 1):
            try:
                requests.append(_decode(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise self._broken(f"line {number} is not a request") from None
        return requests

    def _faults(self) -> AbstractContextManager[None]:
        return state_faults("The queue of requests could not be used", str(self._file.path))

    def _broken(self, why: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            "The queue of requests cannot be trusted",
            where=str(self._file.path),
            why=why,
            remedy="Restore it from its backup: a lost request is a broken promise.",
        )


def opt_out(
    account_ids: Sequence[str],
    now: datetime,
    *,
    optouts: OptOutList,
    queue: RequestQueue,
    keys: Keystore,
    epochs: EpochKind,
) -> OptedOut:
    """Queue the purge of the accounts' stored rows, then put them on the list.

    In this order a crash in between leaves a purge too many, never one too few: every account on
    the list has had a purge queued, and the repeated command finds the waiting one.
    """
    people = account_tokens(account_ids, optouts=optouts, keys=keys, epochs=epochs, now=now)
    newly = [
        (person, _opted_in_at(standing))
        for person, standing in zip(people, optouts.check(account_ids), strict=True)
        if not _is_out(standing)
    ]
    queued = queue.submit(
        RequestKind.PURGE,
        [person for person, _ in newly],
        now,
        unless_since=[since for _, since in newly],
    )
    return OptedOut(added=optouts.add(account_ids, now), queued=len(queued))


def _is_out(standing: Standing) -> bool:
    return bool(standing.intervals) and standing.intervals[-1][1] is None


def _opted_in_at(standing: Standing) -> int:
    """Return when the account last opted in again; rows may have been stored since then."""
    return max((stop for _, stop in standing.intervals if stop is not None), default=0)


def _encode(request: Request) -> str:
    return json.dumps(
        {
            "request": request.number,
            "kind": request.kind.value,
            "at": to_text(request.at),
            "account": request.tokens.account,
            "subjects": dict(request.tokens.subjects),
            "swept": None if request.swept_at is None else to_text(request.swept_at),
            "done": None if request.done_at is None else to_text(request.done_at),
        },
        separators=(",", ":"),
    )


def _decode(line: bytes) -> Request:
    data = parse_json(line)
    return Request(
        number=str(data["request"]),
        kind=RequestKind(data["kind"]),
        at=to_micros(datetime.fromisoformat(data["at"])),
        tokens=AccountTokens(str(data["account"]), dict(data["subjects"])),
        done_at=_moment(data["done"]),
        # Written by a version before there was a second pass: not swept yet.
        swept_at=_moment(data.get("swept")),
    )


def _moment(text: str | None) -> int | None:
    return None if text is None else to_micros(datetime.fromisoformat(text))
