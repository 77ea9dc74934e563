"""A file system whose power can be cut, and processes that work on it and say what is done.

    python -m tests.integration.power append LAKE STATE TOPIC
    python -m tests.integration.power jobs LAKE STATE

The file system is an ext4 image behind a loop device. Copying the image while it is mounted, with
its writers stopped, is the cut: what the kernel holds back is not in the copy. Writers print what
they rely on after it was reported to them, and what they are about to do before. With
POWER_WITHOUT_SYNC the log is not synced, to see that the cuts find it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa

from pipeline.errors import PositionConflict, RewriteConflict, SliceExpired
from pipeline.events.model import NONE_REJECTED, REJECTED, CleanBatch, Span
from pipeline.io.delta.durable import Durable
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.rights.receipts import Receipts
from pipeline.ops.retention.expiry import ExpiringTable, Expiry
from pipeline.ops.retention.seal import Sealer
from pipeline.ops.rights.erasure import Subjects, erase
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.ops.retention.test_seal import STORED

ROOT = Path(__file__).parents[2]
EVENT = "api_request"
TOPICS = ("a", "b")
BASE = date(2026, 1, 1)
A_DAY, A_SUBJECT, A_SLICE = 100, 25, 10
"""Messages of a topic on one day, of one subject, and in one slice."""
KEPT = 4
"""Days behind the slowest topic that stay."""
IMAGE_MIB = 288


def missing() -> str | None:
    """Say why no image can be mounted here, or None."""
    if os.geteuid() != 0:
        return "mounting an image needs root"
    if not Path("/dev/loop-control").exists():
        return "the kernel has no loop devices here"
    if not (shutil.which("mkfs.ext4") and shutil.which("mount")):
        return "needs mkfs.ext4 and mount"
    return None


def new_image(path: Path, mib: int = IMAGE_MIB) -> Path:
    """Make an empty ext4 image."""
    with path.open("wb") as file:
        file.truncate(mib * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(path)], check=True)
    return path


class Writing:
    """A process that writes, and what it has said so far."""

    def __init__(self, *words: str, sync: bool = True) -> None:
        environment = {**os.environ, **({} if sync else {"POWER_WITHOUT_SYNC": "1"})}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__.replace("__main__", "tests.integration.power"), *words],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line.strip())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @property
    def ended(self) -> int | None:
        """How the process has ended; None while it is running."""
        return self._process.poll()

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()
        self._listening.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def day_of(number: int) -> date:
    """The day of a message."""
    return BASE + timedelta(days=number // A_DAY)


def subject_of(topic: str, number: int) -> str:
    """Whose message it is."""
    return f"{topic}{number // A_SUBJECT:031x}"


def opened(lake: str, state: str) -> tuple[Lake, EventTable]:
    """The lake and its table."""
    found = Lake(lake, state=Path(state))
    return found, found.events(EVENT, STORED)


def slice_of(topic: str, start: int) -> CleanBatch:
    """The next messages of a topic; every tenth slice has a message that is refused."""
    numbers = list(range(start, start + A_SLICE))
    refused = NONE_REJECTED
    if (start // A_SLICE) % 10 == 0:
        gone = numbers.pop()
        row = {"offset": gone, "size": 700, "stage": "decode", "reason": "not_json"}
        refused = pa.RecordBatch.from_pylist([row], schema=REJECTED)
    rows = pa.RecordBatch.from_arrays(
        [
            pa.array([day_of(n) for n in numbers], pa.date32()),
            pa.array([n % 24 for n in numbers], pa.int8()),
            pa.array([f"{topic}{n:031x}" for n in numbers], pa.string()),
            pa.array([subject_of(topic, n) for n in numbers], pa.string()),
            pa.array([f"/v1/{n % 5}" for n in numbers], pa.string()),
        ],
        schema=STORED,
    )
    span = Span("kafka", topic, 0, start, start + A_SLICE)
    return CleanBatch(span, EVENT, A_SLICE, rows, refused)


def say(*words: object) -> None:
    """Tell the test, outside of the file system."""
    print(*words, flush=True)


def position_of(table: EventTable, topic: str) -> int:
    """Where a topic stands in the lake."""
    return table.position(f"kafka/{topic}/0") or 0


def append(where: str, state: str, topic: str) -> None:
    """Commit slices for ever."""
    lake, table = opened(where, state)
    lake.recover()
    while True:
        try:
            start = position_of(table, topic)
            made = slice_of(topic, start)
            lake.rejections().prepare(made, datetime.combine(day_of(start), time(), UTC))
            table.commit(made)
        except (PositionConflict, SliceExpired):
            continue
        say("position", topic, start + A_SLICE)


def jobs(where: str, state: str) -> None:
    """Seal, erase and expire for ever."""
    _, table = opened(where, state)
    receipts = Receipts(Path(state) / "receipts.ndjson")
    keys = LocalKeystore(Path(state) / "keys", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    rounds = 0
    while True:
        rounds += 1
        lowest = min(position_of(table, topic) for topic in TOPICS)
        day = day_of(lowest)
        try:
            for sealed in Sealer().seal(EVENT, table, datetime.combine(day, time(3), UTC)):
                say("sealed", sealed.day)
            for topic in TOPICS:
                number = lowest - 3 * A_SUBJECT * (1 + rounds % 5)
                if number > 0:
                    who = subject_of(topic, number)
                    say("erasing", who)
                    epoch = epoch_of(day_of(number), EpochKind.WEEK).name
                    erase(table, Subjects(EpochKind.WEEK, {epoch: [who]}), job="erase")
                    say("erased", who)
            last = day - timedelta(days=KEPT)
            if last >= BASE and rounds % 3 == 0:
                say("expiring", last)
                tables = [ExpiringTable(f"events/{EVENT}", table, 89)]
                expiry = Expiry(tables, keys, receipts, Path(state), {}, check_store_clock=False)
                now = datetime.combine(last + timedelta(days=89), time(1), UTC)
                plan = expiry.propose(now).plan
                expiry.apply(plan.digest, now, ("rows", "partitions"))
                say("expired", last)
        except RewriteConflict:
            continue


def main(words: list[str]) -> None:
    """Do what the first word says."""
    if os.environ.get("POWER_WITHOUT_SYNC"):
        Durable.make = lambda *_: None  # type: ignore[method-assign]
        Durable.make_checkpoint = lambda *_: None  # type: ignore[method-assign]
    if words[0] == "append":
        append(*words[1:])
    else:
        jobs(*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
