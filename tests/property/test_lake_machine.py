"""Operations on a lake in any order, with crashes, zombies and lost answers, against a model.

The model is a dictionary: where each stored row is (in the views, set aside), and nothing else.
Each operation may meet a fault at one of its commits: the answer is lost, the call fails before it
does anything, the process is killed before or after. What a fault interrupted is started again, as
a scheduler would, and then the lake has to be what the model says - in the log, on the disk, and
for a reader that only globs.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from pipeline.errors import PositionConflict, TelemetryError
from pipeline.io.delta import commit as commits
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.lake import Lake
from pipeline.ops.retention import joining
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.erasure import erase
from tests.unit.io.lakes import globbed
from tests.unit.ops.retention.test_seal import STORED
from tests.unit.ops.rights.desk import EVENT, T0, Killed, Row, World, days_back

ACCOUNTS = "abcd"
AGES = (1, 2, 12, 91)
"""The last one is due to expire."""
FAULTS = ("none", "none", "lost", "lost", "fails", "killed before", "killed after")


class Faulty:
    """Lets one of the next commits meet a fault."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.kind, self.left = "none", 0
        real = commits.write_entry

        def commit(*args: Any) -> None:
            self.left -= 1
            kind = self.kind if self.left == 0 else "none"
            if kind == "killed before":
                raise Killed
            if kind == "fails":
                raise OSError(errno.EIO, "the disk failed")
            real(*args)
            if kind == "killed after":
                raise Killed
            if kind == "lost":
                # What delta-rs says of its own success, when the first answer was lost.
                raise CommitFailedError("a concurrent transaction wrote the same app id")

        patch.setattr(commits, "write_entry", commit)


class LakeMachine(RuleBasedStateMachine):
    """The lake, the model, and the operations."""

    @initialize()
    def begin(self) -> None:
        """An empty lake."""
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.faulty = Faulty(self.patch)
        self.world = World(self.folder)
        self.world.table.log.ensure()
        self.views: dict[str, Row] = {}
        self.aside: dict[str, Row] = {}
        self.zombie: tuple[Any, list[Row], int] | None = None

    def teardown(self) -> None:
        """Remove everything."""
        if hasattr(self, "patch"):
            self.patch.undo()
            shutil.rmtree(self.folder)

    def restart(self) -> None:
        """A new process finds what a killed one left."""
        self.world.lake.writer.leftovers = True
        self.world.lake.writer.close()
        self.world.lake = Lake(str(self.folder / "lake"), state=self.world.state)
        self.world.table = self.world.lake.events(EVENT, STORED)
        self.world.rights = replace(self.world.rights, lake=self.world.lake)
        self.world.lake.recover()
        self.world.restriction.finish()

    @contextmanager
    def fault(self, kind: str, at: int) -> Any:
        """Let the commit number `at` meet a fault."""
        self.faulty.kind, self.faulty.left = kind, at
        try:
            yield
        finally:
            self.faulty.kind = "none"

    def repeated(self, job: Callable[[], object], kind: str, at: int) -> None:
        """Do a job that meets a fault, and again if it did not come to its end."""
        try:
            with self.fault(kind, at):
                job()
        except Killed:
            self.restart()
        except TelemetryError:
            self.world.restriction.finish()
        else:
            return
        job()

    @rule(
        rows=st.lists(
            st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(days_back(*AGES))),
            min_size=1,
            max_size=6,
        ),
        topic=st.sampled_from("xy"),
        kind=st.sampled_from(FAULTS),
    )
    def append(self, rows: list[Row], topic: str, kind: str) -> None:
        """A slice, cut again from where the lake stands after a fault."""
        app_id = f"kafka/{topic}/0"
        start = self.world.table.position(app_id) or 0
        first = next(self.world.numbers)
        self.world.numbers = iter(range(first, 1_000_000))
        try:
            with self.fault(kind, 1):
                self.world.store(rows, topic)
        except Killed:
            self.restart()
        except TelemetryError:
            assert kind == "fails"
        if (self.world.table.position(app_id) or 0) == start:
            assert kind in ("fails", "killed before")
            self.world.numbers = iter(range(first, 1_000_000))
            self.world.store(rows, topic)
        assert self.world.table.position(app_id) == start + len(rows)
        self.views |= {f"{first + number:032x}": row for number, row in enumerate(rows)}

    @rule(row=st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(days_back(*AGES))))
    def stop_with_a_slice_in_hand(self, row: Row) -> None:
        """A process is stopped between staging and commit."""
        if self.zombie is None:
            staged: list[Any] = []
            table = self.world.table

            def publish(staging: Any, batch: Any, **_: Any) -> None:
                staged.append((table, staging, batch))
                raise Killed

            number = next(self.world.numbers)
            self.world.numbers = iter(range(number, 1_000_000))
            with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
                patch.setattr(type(table), "publish", lambda _, *args, **more: publish(*args))
                self.world.store([row], "x")
            self.zombie = (staged[0], [row], number)

    @rule()
    def wake_up(self) -> None:
        """The stopped process goes on: with its slice, if nobody has moved the position."""
        if self.zombie is not None:
            (table, staging, batch), rows, number = self.zombie
            self.zombie = None
            stands = (self.world.table.position("kafka/x/0") or 0) == batch.span.start
            if not stands:
                with pytest.raises(PositionConflict):
                    table.publish(staging, batch)
                return
            if all(table.storage.root.joinpath(file.hidden).exists() for file in staging.files):
                table.publish(staging, batch)
                self.views[f"{number:032x}"] = rows[0]

    @rule(kind=st.sampled_from(FAULTS), at=st.integers(1, 3))
    def seal(self, kind: str, at: int) -> None:
        """Seal every closed day; provisional, so that tokens stay."""
        days = days_back(*AGES[:2])
        self.repeated(lambda: list(Sealer().seal(EVENT, self.world.table, T0, days)), kind, at)

    @rule(who=st.sampled_from(ACCOUNTS), kind=st.sampled_from(FAULTS))
    def join(self, who: str, kind: str) -> None:
        """Join files of a day while it is open: two are enough, however young."""
        (day,) = days_back(AGES[0])
        for topic in "xy":
            self.append([(who, day)], topic, "none")
        open_still = T0 - timedelta(days=AGES[0])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(joining, "ENOUGH", 2)
            patch.setattr(joining, "TIER_BITS", 1)
            patch.setattr(joining, "REST", timedelta(days=-3650))
            self.repeated(
                lambda: list(Sealer().seal(EVENT, self.world.table, open_still, [day])), kind, 1
            )

    @rule(who=st.sampled_from(ACCOUNTS), kind=st.sampled_from(FAULTS), at=st.integers(1, 3))
    def erase(self, who: str, kind: str, at: int) -> None:
        """Erase an account from both tables."""

        def job() -> None:
            for table in (self.world.table, self.world.lake.restricted(EVENT)):
                if table.log.load() is not None:
                    erase(table, self.world.subjects(who), job="erase")

        self.repeated(job, kind, at)
        self.views = {token: row for token, row in self.views.items() if row[0] != who}
        self.aside = {token: row for token, row in self.aside.items() if row[0] != who}

    @rule(who=st.sampled_from(ACCOUNTS), kind=st.sampled_from(FAULTS), at=st.integers(1, 4))
    def restrict(self, who: str, kind: str, at: int) -> None:
        """Set an account's rows aside."""
        self.repeated(lambda: self.world.restriction.restrict(self.world.subjects(who)), kind, at)
        moved = {token: row for token, row in self.views.items() if row[0] == who}
        self.views = {token: row for token, row in self.views.items() if token not in moved}
        self.aside |= moved

    @rule(who=st.sampled_from(ACCOUNTS), kind=st.sampled_from(FAULTS), at=st.integers(1, 4))
    def release(self, who: str, kind: str, at: int) -> None:
        """Bring an account's rows back."""
        self.repeated(lambda: self.world.restriction.release(self.world.subjects(who)), kind, at)
        moved = {token: row for token, row in self.aside.items() if row[0] == who}
        self.aside = {token: row for token, row in self.aside.items() if token not in moved}
        self.views |= moved

    @rule(kind=st.sampled_from(FAULTS), at=st.integers(1, 2))
    def expire(self, kind: str, at: int) -> None:
        """Delete what is due, in both tables; the keys here are of no row."""
        world = self.world
        keys = LocalKeystore(world.state / "other-keys", now=lambda: T0)

        def job() -> None:
            tables = [ExpiringTable("events", world.table, 89)]
            if world.lake.restricted(EVENT).log.load() is not None:
                tables.append(ExpiringTable("restricted", world.lake.restricted(EVENT), 89))
            expiry = Expiry(tables, keys, world.receipts, world.state, {}, check_store_clock=False)
            plan = expiry.propose(T0).plan
            expiry.apply(plan.digest, T0, ("rows", "partitions"))

        self.repeated(job, kind, at)
        due = days_back(AGES[-1])[0]

        def kept(rows: dict[str, Row]) -> dict[str, Row]:
            return {token: row for token, row in rows.items() if row[1] > due}

        self.views, self.aside = kept(self.views), kept(self.aside)

    @rule()
    def clean(self) -> None:
        """Vacuum, sweep, shorten the log."""
        self.world.table.vacuum()
        self.world.table.sweep()
        self.world.table.log.shorten()

    @rule()
    def crash_and_start(self) -> None:
        """A process ends without a word; a stopped one is dead as well, for all others know."""
        if self.zombie is None:
            self.restart()

    @invariant()
    def the_lake_is_what_the_model_says(self) -> None:
        """Rows of views and aside, positions, files and log agree."""
        if not hasattr(self, "views"):
            return
        assert placed(self.world, aside=False) == placed_in(self.views)
        if self.world.lake.restricted(EVENT).log.load() is not None:
            assert placed(self.world, aside=True) == placed_in(self.aside)
        else:
            assert self.aside == {}
        assert self.world.lake.missing_files() == ()
        seen = sorted(globbed(self.folder / "lake"))
        assert seen == sorted(str(row[1]) for row in self.world.rows())


def placed(world: World, *, aside: bool) -> list[tuple[str, str]]:
    """Rows of a table by token and day."""
    return sorted((str(row[0]), str(row[3])) for row in world.rows(aside=aside))


def placed_in(rows: dict[str, tuple[str, date]]) -> list[tuple[str, str]]:
    """Rows of the model by token and day."""
    return sorted((token, str(day)) for token, (_, day) in rows.items())


def test_the_lake_is_what_a_model_says_whatever_happens() -> None:
    run_state_machine_as_test(
        LakeMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
