"""What happens to a lake in one day of the simulated year, in this process or in one to be killed.

`Stream` is a pipeline without Beam: the same decoder, gate, anonymizer and table. `work` is what
a scheduler runs in a night: requests, seals, an expiry by plan and hash. Everything that they
know lies in the folder, so they can be killed anywhere and started again. Power never fails here,
so nothing waits for the disk.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import PositionConflict, RewriteConflict, SliceExpired
from pipeline.events.catalogue import Catalogue
from pipeline.events.decode.decoder import Decoder
from pipeline.events.model import Slice, Span
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.rejection_table import KEPT_DAYS
from pipeline.io.lake.staging import Staging
from pipeline.io.lake.table import StoredTable
from pipeline.io.package_data import load_catalogue
from pipeline.io.rights.holds import Holds
from pipeline.io.rights.optout_list import Change, OptOutFile
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import RequestKind, RequestQueue, account_tokens
from pipeline.io.standings.entries import erased, opted_out, released, restricted, to_micros
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.deadlines import due
from pipeline.ops.rights.restriction import Restriction
from pipeline.ops.rights.worker import Rights
from pipeline.privacy.anonymize import Anonymizer
from pipeline.privacy.identity.epochs import EpochKind
from pipeline.privacy.optout import OptOutGate
from pipeline.privacy.policy import Policy
from tests.integration.runs import EVENT, schemas

EPOCHS = EpochKind.FOUR_WEEKS
SOURCE = Span("file", "year", 0, 0, 0)
SLICE = 6
"""Messages in a slice, so that a day takes several commits."""
BACKFILL_DAYS = 89
HELD_DAYS = 12
CHANGES: dict[RequestKind, Change] = {
    RequestKind.ERASE: erased,
    RequestKind.ERASE_UNDER_13: erased,
    RequestKind.PURGE: opted_out,
    RequestKind.RESTRICT: restricted,
    RequestKind.RELEASE: released,
}


class Killed(BaseException):
    """Stands for the end of a process, where one cannot be spared."""


@dataclass(frozen=True)
class Asked:
    """A request of an account; its number makes it one request, however often it is told."""

    number: str
    kind: RequestKind
    account: str


@dataclass(frozen=True)
class Night:
    """What the jobs of a day have to do."""

    now: datetime
    asked: tuple[Asked, ...] = ()
    """Requests that came in today."""
    hold: tuple[str, ...] = ()
    """Accounts that are held from today on, for `HELD_DAYS`."""
    seal: tuple[date, ...] = ()
    """Days to be sealed, if they need it."""
    missed: bool = False
    """Whether jobs were left out on the days before, so that more is due than usual."""
    recover: bool = True
    """Whether somebody may have died, so that what he left is looked for."""
    die: str = ""
    """`moment:n`: the process ends when it passes a moment for the nth time."""


@dataclass(frozen=True)
class Arrivals:
    """What the stream has to take in: every message up to a number."""

    now: datetime
    total: int
    backfill: bool = False
    die: str = ""


class World:
    """The lake and the state of one folder, as one process opens them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.now = datetime.max
        self.lake = Lake(str(folder / "lake"), state=self.state)
        self.keys = LocalKeystore(self.state / "keys", now=lambda: self.now)
        self.optout = OptOutFile(self.state / "optout.ndjson", self.keys.permanent_key("optout"))
        self.table: EventTable = self.lake.events(EVENT, schemas()[EVENT][-1].stored)
        self.receipts = Receipts(self.state / "receipts.ndjson")
        self.queue = RequestQueue(self.state / "requests.ndjson")
        self.holds = Holds(self.state / "holds.ndjson")

    def expiry(self) -> Expiry:
        """Expiry as `telemetry expire` has it."""
        tables = [
            ExpiringTable(f"events/{EVENT}", self.table, 89),
            ExpiringTable("rejections", self.lake.rejections(), KEPT_DAYS),
        ]
        if (self.folder / "lake" / "restricted").exists():
            tables.append(ExpiringTable(f"restricted/{EVENT}", self.lake.restricted(EVENT), 89))
        return Expiry(tables, self.keys, self.receipts, self.state, {}, check_store_clock=False)

    def rights(self) -> Rights:
        """The worker of `telemetry requests work`."""
        return Rights(
            self.lake,
            schemas(),
            self.queue,
            self.optout,
            self.receipts,
            self.state,
            EPOCHS,
            held=lambda now: self.holds.accounts(now.date()),
        )

    def take(self, night: Night) -> None:
        """Take requests and holds in, as the commands do: to the queue first, then to the list."""
        if night.hold and not self.holds.accounts(night.now.date()):
            until = night.now.date() + timedelta(days=HELD_DAYS)
            tokens = self.optout.tokens(night.hold)
            self.holds.add_accounts(tokens, "legal", "a case", until, night.now)
        for one in night.asked:
            (person,) = account_tokens(
                [one.account], optouts=self.optout, keys=self.keys, epochs=EPOCHS, now=night.now
            )
            self.queue.submit(one.kind, [person], night.now, numbers=[one.number])
            self.optout.change([person.account], CHANGES[one.kind], night.now)


class Stream(World):
    """A running pipeline."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lake.recover()
        self._decoder = Decoder(schemas()[EVENT])
        self._gate = OptOutGate(self.keys.permanent_key("optout"))

    def take_in(self, arrivals: Arrivals) -> None:
        """Store everything that has arrived, from where the lake stands."""
        self.now = arrivals.now
        anonymizer = self._anonymizer(backfill=arrivals.backfill)
        messages = (self.folder / "messages.ndjson").read_bytes().splitlines()
        while (start := self.table.position(SOURCE.app_id) or 0) < arrivals.total:
            part = slice_of(messages, start, min(arrivals.total, start + SLICE))
            raw = self._decoder.decode(part)
            standing = self.optout.refresh(self.now)
            kept = self._gate.drop(raw, standing, to_micros(self.now), time_field="occurred_at")
            batch = anonymizer.anonymize(kept, self.now)
            try:
                if batch.rejected.num_rows:
                    self.lake.rejections().prepare(batch, self.now)
                self.table.commit(batch)
            except (PositionConflict, RewriteConflict, SliceExpired):
                pass  # read again in the next round

    def _anonymizer(self, *, backfill: bool) -> Anonymizer:
        policy = Policy(max_age_days=BACKFILL_DAYS) if backfill else Policy()
        return Anonymizer(schemas(), catalogue(), self.keys, lambda _: "ZZ", policy)


def work(folder: Path, night: Night) -> None:
    """Do the jobs of a day: first what people asked for, then the files, then what is too old."""
    world = World(folder)
    world.now = night.now
    try:
        if night.recover:
            world.lake.recover()
        world.take(night)
        if due(world.queue.pending(), night.now) or night.now.day == 1:
            world.rights().work(night.now)
        if night.seal:
            list(Sealer().seal(EVENT, world.table, night.now, night.seal))
        expiry = world.expiry()
        proposal = expiry.propose(night.now)
        if proposal.begun or not proposal.plan.empty:
            # Few rows in all: a day may be more than a twentieth of them.
            guards = ("rows", "partitions") if night.missed else ("rows",)
            expiry.apply(proposal.plan.digest, night.now, guards)
    finally:
        world.lake.close()


def slice_of(messages: Sequence[bytes], start: int, stop: int) -> Slice:
    """The messages with these numbers."""
    chosen = messages[start:stop]
    ends = np.cumsum([len(message) + 1 for message in chosen]) - 1
    starts = np.concatenate([[0], ends[:-1] + 1])
    span = Span(SOURCE.source, SOURCE.topic, SOURCE.partition, start, stop)
    numbers = np.arange(start, stop, dtype=np.int64)
    return Slice(span, EVENT, b"\n".join(chosen) + b"\n", starts, ends, numbers)


@cache
def catalogue() -> Catalogue:
    """The packaged closed lists, read once."""
    return load_catalogue()


MOMENTS: dict[str, tuple[type, str]] = {
    "revealed": (Staging, "reveal"),
    "committed": (DeltaLog, "commit"),
    "vacuumed": (StoredTable, "vacuum"),
    "deleted": (StoredTable, "remove_unnamed"),
    "shortened": (DeltaLog, "shorten"),
    "remembered": (Expiry, "_remember"),
    "verified": (Expiry, "_verify"),
    "destroyed": (LocalKeystore, "destroy"),
    "receipted": (Receipts, "write"),
    "queued": (RequestQueue, "submit"),
    "swept": (RequestQueue, "sweep"),
    "moved": (Restriction, "_decide"),
}
"""Moments of a day's work: when the call is done, the process may end."""


@contextmanager
def dying(where: str, die: Callable[[], None]) -> Iterator[None]:
    """Call `die` when the named moment is passed for the nth time."""
    if not where:
        yield
        return
    moment, _, number = where.partition(":")
    owner, name = MOMENTS[moment]
    original = getattr(owner, name)
    left = [int(number)]

    def passing(*args: Any, **options: Any) -> Any:
        answer = original(*args, **options)
        left[0] -= 1
        if left[0] == 0:
            die()
        return answer

    setattr(owner, name, passing)
    try:
        yield
    finally:
        setattr(owner, name, original)


def trust_the_disk() -> None:
    """Processes die here, machines do not: what was written is there."""
    os.fsync = lambda _: None  # type: ignore[assignment]


def kill_myself() -> None:
    """No cleaning up, no last words."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_killed() -> None:
    """Unwind as fast as one process allows."""
    raise Killed


def serve(folder: Path, orders: Connection) -> None:
    """Take in arrivals, one order at a time, until told to end; the body of a process."""
    trust_the_disk()
    stream = Stream(folder)
    orders.send("ready")
    while (order := orders.recv()) is not None:
        with dying(order.die, kill_myself):
            stream.take_in(order)
        orders.send("done")
    stream.lake.close()


def work_alone(folder: Path, night: Night) -> None:
    """Do a day's jobs; the body of a process that kills itself where it is told to."""
    trust_the_disk()
    with dying(night.die, kill_myself):
        work(folder, night)
