"""A lake of known accounts, and everything that a rights request needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipeline.events.model import CleanBatch, Span
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.rights.optout_list import Change, OptOutFile
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import (
    AccountTokens,
    Request,
    RequestKind,
    RequestQueue,
    account_tokens,
)
from pipeline.io.standings.entries import erased, released, restricted
from pipeline.ops.rights.erasure import Subjects, merged
from pipeline.ops.rights.restriction import Restriction
from pipeline.ops.rights.worker import Rights, Worked
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from pipeline.privacy.identity.tokens import Domain, token
from tests.unit.ops.retention.test_seal import STORED

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = T0.date()
EVENT = "api_request"
CHANGES: dict[RequestKind, Change] = {
    RequestKind.ERASE: erased,
    RequestKind.ERASE_UNDER_13: erased,
    RequestKind.RESTRICT: restricted,
    RequestKind.RELEASE: released,
}
Row = tuple[str, date]


class Killed(BaseException):
    """Stands for the end of the process."""


class World:
    """Accounts with rows on days of several key epochs (weeks)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.lake = Lake(str(folder / "lake"), state=self.state)
        self.table: EventTable = self.lake.events(EVENT, STORED)
        self.keys = LocalKeystore(self.state / "keys", now=lambda: T0)
        self.optouts = OptOutFile(self.state / "optout.ndjson", self.keys.permanent_key("optout"))
        self.queue = RequestQueue(self.state / "requests.ndjson")
        self.receipts = Receipts(self.state / "receipts.ndjson")
        self.rights = Rights(
            self.lake,
            {},
            self.queue,
            self.optouts,
            self.receipts,
            self.state,
            EpochKind.WEEK,
        )
        self.numbers = iter(range(1_000_000))

    def subject(self, account: str, day: date) -> str:
        """The token of an account on a day."""
        key = self.keys.epoch_key(epoch_of(day, EpochKind.WEEK))
        assert key is not None
        return token(key, Domain.SUBJECT, account)

    def store(self, rows: Sequence[Row], topic: str = "t") -> None:
        """Commit one row for each (account, day), each different from all others."""
        start = self.table.position(f"kafka/{topic}/0") or 0
        numbers = [next(self.numbers) for _ in rows]
        batch = pa.RecordBatch.from_arrays(
            [
                pa.array([day for _, day in rows], pa.date32()),
                pa.array([number % 24 for number in numbers], pa.int8()),
                pa.array([f"{number:032x}" for number in numbers], pa.string()),
                pa.array([self.subject(*row) for row in rows], pa.string()),
                pa.array([f"/v1/{number % 5}" for number in numbers], pa.string()),
            ],
            schema=STORED,
        )
        span = Span("kafka", topic, 0, start, start + len(rows))
        self.table.commit(CleanBatch(span, EVENT, len(rows), batch))

    def people(self, *accounts: str) -> list[AccountTokens]:
        """The tokens of accounts."""
        return account_tokens(
            accounts, optouts=self.optouts, keys=self.keys, epochs=EpochKind.WEEK, now=T0
        )

    def ask(self, kind: RequestKind, *accounts: str, at: datetime = T0) -> list[Request]:
        """Hand in a request for each account, as the commands do."""
        people = self.people(*accounts)
        requests = self.queue.submit(kind, people, at)
        if kind in CHANGES:
            self.optouts.change([person.account for person in people], CHANGES[kind], at)
        if kind is RequestKind.PURGE:
            self.optouts.add(accounts, at)
        return requests

    def work(self, now: datetime = T0) -> Worked:
        """Carry out what is due."""
        return self.rights.work(now)

    @property
    def restriction(self) -> Restriction:
        """Both tables of the event."""
        return Restriction(self.table, self.lake.restricted(EVENT))

    def subjects(self, *accounts: str) -> Subjects:
        """The accounts as erasure and restriction take them."""
        tokens = merged(person.subjects for person in self.people(*accounts))
        return Subjects(EpochKind.WEEK, tokens)

    def rows(self, *, aside: bool = False) -> list[tuple[object, ...]]:
        """All rows of the views, or all restricted ones, by what makes each unique."""
        table = self.lake.restricted(EVENT) if aside else self.table
        found = []
        for file in table.snapshot().files:
            for row in table.storage.read(file.path).to_pylist():
                found.append((row["event_token"], row["subject"], row["route"], str(file.day)))
        return sorted(found, key=repr)

    def of(self, *accounts: str) -> set[str]:
        """Every token under which these accounts may be stored."""
        return {token for person in self.people(*accounts) for token in person.subjects.values()}


def days_back(*ages: int) -> list[date]:
    """Days before today."""
    return [TODAY - timedelta(days=age) for age in ages]
