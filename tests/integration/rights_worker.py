"""Processes that change one lake at the same time: a stream, a seal, a join, an expiry, an erasure.

    python -m tests.integration.rights_worker ROLE FOLDER

The stream commits rows of known accounts and drops those that the opt-out list forbids, as the
pipeline does; the others repeat their work until the stream has ended. A role that fails tells
the kind of its error. With RIGHTS_SLICES=more the stream goes on until there is a file `enough`;
the file `ended` says how many slices it has committed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from pipeline.errors import PositionConflict, RewriteConflict, SliceExpired
from pipeline.io.rights.request_queue import RequestKind
from pipeline.ops.retention import joining
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from tests.unit.ops.rights.desk import EVENT, T0, Row, World, days_back

SLICES, ROWS = 30, 24
AGES = (1, 2, 12, 40)
OLD = 89
"""Age in days of rows that are due to expire from the beginning."""
ACCOUNTS = "abcdef"
ERASED = "ac"


def slice_rows(number: int) -> list[Row]:
    """What the stream's slice of this number holds before the gate."""
    return [
        (ACCOUNTS[(number + index) % len(ACCOUNTS)], days_back(AGES[index % len(AGES)])[0])
        for index in range(ROWS)
    ]


def stream(world: World) -> int:
    """Commit slices; rows of accounts that are erased by then are dropped. Returns how many."""
    # Its events are others than those that were there before the race.
    world.numbers = iter(range(1_000_000, 2_000_000))
    more = os.environ.get("RIGHTS_SLICES") == "more"
    done = 0
    while not (world.folder / "enough").exists() if more else done < SLICES:
        standings = world.optouts.standings()
        tokens = dict(zip(ACCOUNTS, world.optouts.tokens(list(ACCOUNTS)), strict=True))
        gone = {
            account
            for account, token in tokens.items()
            if token in standings and standings[token].erased_at is not None
        }
        world.store([row for row in slice_rows(done) if row[0] not in gone])
        done += 1
        time.sleep(0.05)
    return done


def seal(world: World) -> None:
    """Seal whatever is due."""
    list(Sealer().seal(EVENT, world.table, T0))


def join(world: World) -> None:
    """Join the files of the newest day as if it were open: two are enough, however young."""
    joining.ENOUGH, joining.TIER_BITS, joining.REST = 2, 1, timedelta(days=-3650)
    open_still = T0 - timedelta(days=AGES[0])
    list(Sealer().seal(EVENT, world.table, open_still, days_back(AGES[0])))


def expire(world: World) -> None:
    """Delete what is due."""
    tables = [ExpiringTable(f"events/{EVENT}", world.table, OLD)]
    expiry = Expiry(tables, world.keys, world.receipts, world.state, {}, check_store_clock=False)
    proposal = expiry.propose(T0)
    if not proposal.plan.empty:
        expiry.apply(proposal.plan.digest, T0, ("rows", "partitions"))


def erase(world: World) -> None:
    """Ask for an erasure, carry it out."""
    world.ask(RequestKind.ERASE, *ERASED)
    world.work()


REPEATED = {"seal": seal, "join": join, "expire": expire, "erase": erase}


def main(role: str, folder: str) -> None:
    """Play one role; the file `ended` says that the stream is over."""
    pa.set_cpu_count(1)
    world, ended = World(Path(folder)), Path(folder) / "ended"
    if role == "stream":
        ended.write_text(str(stream(world)))
        return
    limit = time.monotonic() + timedelta(minutes=3).total_seconds()
    while not ended.exists() and time.monotonic() < limit:
        # If another job was faster, the next round goes on.
        with suppress(PositionConflict, RewriteConflict, SliceExpired):
            REPEATED[role](world)
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
