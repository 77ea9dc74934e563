"""Delete what is too old, provably: plan, guard, delete, destroy keys, verify, receipt.

The plan that is being applied stays in the state folder until its receipt is written, so after an
interruption the next run says which digest to apply again, and continues where the last one
stopped. Every step may be repeated. A running pipeline is not disturbed: it does not accept events
this old.

Unit of parallelism: none, one expiry at a time (a lock in the state folder).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline.errors import ExpiryRefused, LakeError, counted
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import locked
from pipeline.io.disk.private import write_private
from pipeline.io.keys.keystore import Keystore
from pipeline.io.lake.table import StoredTable
from pipeline.io.rights.receipts import Receipt, Receipts
from pipeline.io.state_folder import StateFolder
from pipeline.ops.retention.expiry_plan import (
    Doomed,
    ExpiryPlan,
    Guard,
    TableView,
    guards,
    plan_expiry,
)
from pipeline.ops.rewrite import Rewritten, retried
from pipeline.parsing import parse_json

RECEIPT = "expire"


@dataclass(frozen=True, slots=True)
class ExpiringTable:
    """A table and for how many days after its date a partition is kept."""

    name: str
    table: StoredTable
    kept_days: int


@dataclass(frozen=True, slots=True)
class ExpiryProposal:
    """A plan, the reasons against it, and whether it was begun before."""

    plan: ExpiryPlan
    guards: tuple[Guard, ...]
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one run deleted, counted as it did so: rows named by commits, files that existed.

    It is less than the plan if an interrupted run came first, or if another job replaced a file.
    """

    files: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: Deleted) -> Deleted:
        return Deleted(self.files + other.files, self.rows + other.rows, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Expiry:
    """Expiry over the tables of one lake, with the keys and receipts of one state folder."""

    tables: Sequence[ExpiringTable]
    keys: Keystore
    receipts: Receipts
    state: Path
    holds: Mapping[date, str]
    """Days that a legal hold keeps, and its name."""
    retention_days: int = 90
    in_force: Sequence[str] = ()
    """Names of all legal holds that are in force, for the receipt."""
    check_store_clock: bool = True
    """False where a drill has set the clock by hand: it cannot agree with the store's."""

    def propose(self, now: datetime) -> ExpiryProposal:
        """Return what is to be deleted at `now`; a plan that was already begun goes first."""
        begun = self._begun()
        if begun is not None:
            return ExpiryProposal(begun, (), begun=True)
        plan = self._plan(now)
        return ExpiryProposal(plan, guards(plan, now, self._last_run(), self._store_time()))

    def apply(
        self,
        digest: str,
        now: datetime,
        acknowledged: Sequence[str] = (),
        step: Callable[[str], None] = lambda _: None,
    ) -> Receipt:
        """Delete exactly the plan with this digest and return its receipt.

        `step` is called with the name of each step before it begins. Raises ExpiryRefused, with
        nothing deleted, if the plan has changed or a guard is against it.
        """
        with self._alone():
            proposal = self.propose(now)
            self._check(proposal, digest, acknowledged)
            plan = proposal.plan
            if not proposal.begun:
                step("remember")
                self._remember(plan)
            deleted = Deleted()
            for table in self.tables:
                step(f"delete {table.name}")
                mine = [file for file in plan.files if file.table == table.name]
                deleted += self._delete(table, mine)
            step("verify")
            self._verify(plan)
            for name in plan.keys:
                step("destroy key")
                self.keys.destroy(name)
            step("receipt")
            body = {**_body(proposal, deleted), "holds": [*self.in_force]}
            receipt = self.receipts.write(RECEIPT, body, now)
            step("forget")
            self._pending.unlink(missing_ok=True)
        return receipt

    def _plan(self, now: datetime) -> ExpiryPlan:
        views = [
            TableView(entry.name, entry.table.snapshot(), entry.table.leftovers(), entry.kept_days)
            for entry in self.tables
        ]
        return plan_expiry(views, self.keys.epochs(), self.holds, now, self.retention_days)

    def _check(self, proposal: ExpiryProposal, digest: str, acknowledged: Sequence[str]) -> None:
        if digest != proposal.plan.digest:
            raise ExpiryRefused(
                "The plan is not the one that was asked for",
                why="files were added, removed or changed since it was shown",
                remedy="Look at the plan again with `telemetry expire`, then apply its hash.",
            )
        for guard in proposal.guards:
            if guard.acknowledgeable and guard.name in acknowledged:
                continue
            raise ExpiryRefused(
                "Nothing was deleted",
                why=guard.why,
                remedy=f"If that is right, add --acknowledge {guard.name}."
                if guard.acknowledgeable
                else "Correct the clock of this machine, then plan again.",
            )

    def _delete(self, entry: ExpiringTable, files: Sequence[Doomed]) -> Deleted:
        table = entry.table
        doomed = {file.path for file in files}

        def attempt() -> Rewritten:
            there = [file for file in table.snapshot().files if file.path in doomed]
            if there:
                table.rewrite(there, metadata={"job": "expire", "files": len(there)})
            return Rewritten(len(there), 0, sum(file.rows for file in there), 0)

        if not doomed:
            return Deleted()
        sizes = [found.size for found in table.storage.files() if found.path in doomed]
        rows = retried(attempt, table).rows_removed
        # A crash may have come between a commit and its vacuum.
        table.vacuum()
        table.remove_unnamed(sorted(doomed))
        table.log.shorten()
        return Deleted(len(sizes), rows, sum(sizes))

    def _verify(self, plan: ExpiryPlan) -> None:
        """Raise LakeError if a file of the plan is still named by a log or present in storage."""
        doomed = {(file.table, file.path) for file in plan.files}
        for entry in self.tables:
            named = {file.path for file in entry.table.snapshot().files}
            listed = {found.path for found in entry.table.storage.files()}
            left = [path for path in named | listed if (entry.name, path) in doomed]
            if left:
                raise LakeError(
                    "A file that was to be deleted is still there",
                    where=f"{entry.table.log.uri}, {counted(len(left), 'file')}",
                    remedy="Check the rights on the storage, then apply the same plan again.",
                )

    def _last_run(self) -> datetime | None:
        times = [receipt.at for receipt in self.receipts.all() if receipt.kind == RECEIPT]
        return datetime.fromisoformat(times[-1]) if times else None

    def _store_time(self) -> datetime | None:
        if not self.check_store_clock:
            return None
        for entry in self.tables:
            if entry.table.log.load() is not None:
                return datetime.fromtimestamp(entry.table.store_clock(), UTC)
        return None

    @property
    def _pending(self) -> Path:
        return StateFolder(self.state).expiry

    def _alone(self) -> AbstractContextManager[None]:
        return locked(StateFolder(self.state).expiry_lock)

    def _remember(self, plan: ExpiryPlan) -> None:
        with state_faults("The plan could not be kept", str(self._pending)):
            write_private(self._pending, json.dumps(asdict(plan), default=str).encode())

    def _begun(self) -> ExpiryPlan | None:
        with state_faults("The plan of an unfinished expiry could not be read", str(self._pending)):
            try:
                content = parse_json(self._pending.read_bytes())
            except FileNotFoundError:
                return None
        files = [
            Doomed(**{**file, "day": date.fromisoformat(file["day"])}) for file in content["files"]
        ]
        overdue = tuple(date.fromisoformat(day) for day in content["overdue"])
        return ExpiryPlan(
            tuple(files),
            tuple(content["keys"]),
            content["rows_in_lake"],
            foreign=tuple(content["foreign"]),
            overdue=overdue,
        )


def _body(proposal: ExpiryProposal, deleted: Deleted) -> dict[str, object]:
    """Return what a receipt says about a run: counts, days and epochs."""
    plan = proposal.plan
    return {
        "digest": plan.digest,
        **asdict(deleted),
        "planned": {
            "files": len(plan.files),
            "orphans": sum(not file.named for file in plan.files),
            "rows": plan.rows,
            "bytes": sum(file.size for file in plan.files),
        },
        "resumed": proposal.begun,
        "partitions": [f"{table}/{day}" for table, day in plan.partitions],
        "overdue": [str(day) for day in plan.overdue],
        "keys_destroyed": list(plan.keys),
        "not_touched": len(plan.foreign),
        "verified": True,
    }
