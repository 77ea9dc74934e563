"""A process that writes numbered messages into a lake, and can be told where to die.

    python -m tests.integration.lake_worker LAKE STATE TOPIC TOTAL [STEP:NUMBER | no-compare]

It recovers, then commits slices of uneven size from where the lake stands to TOTAL. Every seventh
message is rejected (or fewer, LAKE_REJECT_EVERY), and every eleventh only by some of the attempts,
as if its age had crossed a limit in between. STEP is a moment of a commit (staged, revealed,
committed); at its NUMBERth time the process kills or stops itself. LAKE may be in an object store;
LAKE_STORAGE then holds its options, as JSON. With LAKE_TOGETHER=N it begins when N processes on
STATE are ready.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.errors import PositionConflict, RewriteConflict, SliceExpired, TelemetryError
from pipeline.io.lake.delta_log import DeltaLog
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.staging import Staging
from tests.unit.io.lakes import NOW, app_id, batch, table_of


def after(step: Callable[..., Any], name: str, die: Callable[[str], None]) -> Callable[..., Any]:
    """The same step, with a chance to die just after it."""

    def stepping(*args: Any, **options: Any) -> Any:
        answer = step(*args, **options)
        die(name)
        return answer

    return stepping


def arrange_death(where: str) -> None:
    """Kill (or, with a leading `stop-`, stop) this process at one moment of its work."""
    step, _, number = where.removeprefix("stop-").partition(":")
    how = signal.SIGSTOP if where.startswith("stop-") else signal.SIGKILL
    left = [int(number)]

    def die(name: str) -> None:
        if name == step:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), how)

    EventTable.stage = after(EventTable.stage, "staged", die)  # type: ignore[method-assign]
    Staging.reveal = after(Staging.reveal, "revealed", die)  # type: ignore[method-assign]
    DeltaLog.commit = after(DeltaLog.commit, "committed", die)  # type: ignore[method-assign]


def slices(start: int, total: int) -> Iterator[tuple[int, int]]:
    """Yield uneven pieces from `start` on, different in every process."""
    while start < total:
        stop = min(total, start + random.randint(5, 25))
        yield start, stop
        start = stop


def write(lake: Lake, topic: str, total: int) -> int:
    """Commit everything up to `total`; return how many slices were refused."""
    table, rejections = table_of(lake), lake.rejections()
    refused = 0
    moody = random.random() < 0.5
    every = int(os.environ.get("LAKE_REJECT_EVERY", "7"))
    while (position := table.position(app_id(topic)) or 0) < total:
        try:
            for start, stop in slices(position, total):
                offsets = [
                    offset
                    for offset in range(start, stop)
                    if offset % every == 0 or (moody and offset % (every + 4) == 0)
                ]
                made = batch(start, stop, topic, tuple(offsets))
                rejections.prepare(made, NOW)
                table.commit(made)
        except (PositionConflict, RewriteConflict, SliceExpired):
            refused += 1
    return refused


def wait_for_others(state: Path, together: int) -> None:
    """Return when so many processes have come here."""
    ready = state.parent / "ready"
    ready.mkdir(exist_ok=True)
    (ready / str(os.getpid())).touch()
    while len(list(ready.iterdir())) < together:
        time.sleep(0.001)


def main(lake: str, state: str, topic: str, total: str, where: str = "") -> None:
    """Run until the lake holds everything."""
    pa.set_cpu_count(1)
    options = json.loads(os.environ.get("LAKE_STORAGE", "{}"))
    if where == "no-compare":
        EventTable._position_in = lambda self, table, app: None  # type: ignore[method-assign, assignment]
        blind(Lake(lake, options, state=Path(state)), topic, int(total))
        return
    if where:
        arrange_death(where)
    opened = Lake(lake, options, state=Path(state))
    opened.recover()
    wait_for_others(Path(state), int(os.environ.get("LAKE_TOGETHER", "1")))
    refused = write(opened, topic, int(total))
    opened.close()
    print(refused)


def blind(lake: Lake, topic: str, total: int) -> None:
    """Write everything from the beginning, without asking where the lake stands."""
    for start, stop in slices(0, total):
        while True:
            try:
                table_of(lake).commit(batch(start, stop, topic))
                break
            except TelemetryError:
                time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
