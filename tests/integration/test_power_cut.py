"""Power cuts: what was reported before the cut is there after it, and every table loads.

An ext4 image is copied while two pipelines write, seal, erase and expire on it; each copy is
mounted as after a cut, looked through, and worked on. POWER_CUTS says how often (12).
"""

from __future__ import annotations

import gc
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import TelemetryError
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from tests.integration import power
from tests.integration.mounts import mounted
from tests.unit.ops.retention.test_seal import STORED
from tests.waiting import wait_for

CUTS = int(os.environ.get("POWER_CUTS", "12"))
EACH = 40
"""So many on one file system, before it is full."""
CAN = power.missing()
Row = tuple[date, str, int, str]

pytestmark = [pytest.mark.service, pytest.mark.skipif(CAN is not None, reason=CAN or "")]


@dataclass
class Reported:
    """What writers have said up to a cut."""

    positions: dict[str, int] = field(default_factory=dict)
    erasing: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    expiring: set[date] = field(default_factory=set)
    expired: set[date] = field(default_factory=set)

    def hear(self, line: str) -> None:
        """Take note of one line."""
        match line.split():
            case ["position", topic, stop]:
                self.positions[topic] = int(stop)
            case ["erasing", who]:
                self.erasing.add(who)
            case ["erased", who]:
                self.erased.add(who)
            case ["expiring", day]:
                self.expiring.add(date.fromisoformat(day))
            case ["expired", day]:
                self.expired.add(date.fromisoformat(day))


class Machine:
    """A file system with writers on it."""

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        self.folder = folder
        self.image = power.new_image(folder / "image")
        self._sync = sync
        self.writers: list[power.Writing] = []

    def start(self, disk: Path) -> None:
        """Start two pipelines and the jobs beside them."""
        where = [str(disk / "lake"), str(disk / "state")]
        for topic in power.TOPICS:
            self.writers.append(power.Writing("append", *where, topic, sync=self._sync))
        wait_for(lambda: all(writer.said for writer in self.writers))
        self.writers.append(power.Writing("jobs", *where, sync=self._sync))

    def cut(self, copy: Path) -> Reported:
        """Copy the image as it is; return what had been reported by then."""
        for writer in self.writers:
            writer.signal(signal.SIGSTOP)
        reported = Reported()
        for writer in self.writers:
            for line in list(writer.said):
                reported.hear(line)
        shutil.copyfile(self.image, copy)
        for writer in self.writers:
            writer.signal(signal.SIGCONT)
        return reported

    def end(self) -> None:
        """Kill the writers."""
        for writer in self.writers:
            writer.end()


def look(disk: Path, reported: Reported) -> None:
    """Look through a file system after a cut, then go on working on it."""
    lake, table = power.opened(str(disk / "lake"), str(disk / "state"))
    with closing(lake):
        look_at(lake, table, reported)


def look_at(lake: Lake, table: EventTable, reported: Reported) -> None:
    """Compare a lake with what was reported of it."""
    lake.recover()
    assert lake.missing_files() == ()
    lake.rejections().snapshot()
    files = table.snapshot().files
    # The final seal of a day drops the tokens: of that day rows are told by what else they hold.
    final = {file.day for file in files if "/final-" in file.path}
    tokens: Counter[str] = Counter()
    without: Counter[Row] = Counter()
    for file in files:
        rows = table.storage.read(file.path, STORED.names[1:]).to_pylist()
        subjects = {row["subject"] for row in rows}
        assert not reported.erased & subjects, "an erased subject is back"
        assert all(file.day > day for day in reported.expired), "an expired day is back"
        if file.day in final:
            without.update(told(file.day, row) for row in rows)
        else:
            tokens.update(row["event_token"] for row in rows)
    assert all(count == 1 for count in tokens.values()), "rows are there twice"
    may_be_gone = max(reported.expiring, default=date.min)
    due_without: Counter[Row] = Counter()
    for topic in power.TOPICS:
        position = power.position_of(table, topic)
        assert position >= reported.positions.get(topic, 0), "a reported position is gone"
        written = [
            row
            for start in range(0, position, power.A_SLICE)
            for row in power.slice_of(topic, start).rows.to_pylist()
            if row["event_date"] > may_be_gone and row["subject"] not in reported.erasing
        ]
        due = {row["event_token"] for row in written if row["event_date"] not in final}
        mine = {token for token in tokens if token[0] == topic}
        assert due <= mine, "stored rows are gone"
        days = ((row["event_date"], row) for row in written)
        due_without.update(told(day, row) for day, row in days if day in final)
        assert all(_number(token) < position for token in mine)
        table.commit(power.slice_of(topic, position))
        assert power.position_of(table, topic) == position + power.A_SLICE
    stays = {
        row: count
        for row, count in without.items()
        if row[0] > may_be_gone and row[1] not in reported.erasing
    }
    assert stays == due_without, "rows of finally sealed days are gone or there twice"


def told(day: date, row: dict[str, Any]) -> Row:
    """What a row holds that no seal takes away."""
    return day, row["subject"], row["event_hour"], row["route"]


def _number(token: str) -> int:
    return int(token[1:], 16)


def cuts(folder: Path, number: int, *, sync: bool = True) -> Iterator[str | None]:
    """Cut the power so often; yields what is wrong after each cut, or None."""
    machine = Machine(folder, sync=sync)
    chance = random.Random(11)
    copy = folder / "copy"
    with mounted(str(machine.image), "-o", "loop") as disk:
        try:
            machine.start(disk)
            for _ in range(number):
                time.sleep(chance.uniform(0.05, 1.5))  # the moment of the cut
                ended = [writer.ended for writer in machine.writers if writer.ended is not None]
                assert ended == [], "a writer has ended"
                reported = machine.cut(copy)
                with mounted(str(copy), "-o", "loop") as after:
                    wrong = None
                    try:
                        look(after, reported)
                    except (AssertionError, TelemetryError) as error:
                        wrong = f"{type(error).__name__}: {error}"
                        wrong = wrong.partition("\n")[0]
                        error.__traceback__ = None
                    gc.collect()
                yield wrong
        finally:
            machine.end()


@pytest.mark.parametrize("part", range(-(-CUTS // EACH)))
def test_what_was_reported_before_a_power_cut_is_there_after_it(tmp_path: Path, part: int) -> None:
    number = min(EACH, CUTS - part * EACH)
    assert [wrong for wrong in cuts(tmp_path, number) if wrong] == []


def test_the_cuts_find_a_log_that_is_not_synced(tmp_path: Path) -> None:
    """Without the syncs, within a few cuts, something that was reported is gone."""
    assert any(cuts(tmp_path, 40, sync=False))
