"""Lakes that die at a given moment, or that leave out the comparison of positions."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.events.model import CleanBatch, Span
from pipeline.io.delta.standing import LogState
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.rejection_table import RejectionTable
from pipeline.io.lake.table import Committed

MOMENTS = (
    "before the rejections",
    "after the rejections",
    "after the files are written",
    "after the files have their names",
    "after the commit",
)
EARLIER_SLICES = 2
"""The process lives through so many slices first."""


class _Wrapped:
    """Passes on whatever it does not change."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


class CrashingLake(Lake):
    """A lake whose process is killed at a moment of its third slice."""

    def __init__(self, root: str, moment: str, *, state: Path, once: Path | None = None) -> None:
        """With `once`, only the first of many processes is killed, and leaves that file."""
        super().__init__(root, state=state)
        self._moment = moment if once is None or not once.exists() else ""
        self._once = once

    def events(self, event: str, schema: pa.Schema) -> Any:
        return _CrashingTable(super().events(event, schema), self._moment, self._once)

    def rejections(self) -> Any:
        return _CrashingRejections(super().rejections(), self._moment)


class _CrashingTable(_Wrapped):
    def __init__(self, table: EventTable, moment: str, once: Path | None) -> None:
        super().__init__(table)
        self._once = once
        self._moment, self._commits = moment, 0

    def commit(
        self, batch: CleanBatch, *, metadata: Mapping[str, object] | None = None
    ) -> Committed:
        self._commits += 1
        armed = self._commits > EARLIER_SLICES
        staging = self._table.stage(batch)
        if armed:
            die_if(self._moment == "after the files are written")
            if self._moment == "after the files have their names":
                staging.reveal()
                die_if(True)
        committed = self._table.publish(staging, batch, metadata=metadata)
        if armed:
            if self._once is not None:
                self._once.touch()
            die_if(self._moment == "after the commit")
        return committed


class _CrashingRejections(_Wrapped):
    def __init__(self, table: RejectionTable, moment: str) -> None:
        super().__init__(table)
        self._moment, self._commits = moment, 0

    def prepare(self, batch: CleanBatch, now: datetime) -> int:
        self._commits += 1
        armed = self._commits > EARLIER_SLICES
        if armed:
            die_if(self._moment == "before the rejections")
        count = int(self._table.prepare(batch, now))
        if armed:
            die_if(self._moment == "after the rejections")
        return count


class UncheckedLake(Lake):
    """A lake that commits without comparing position and marks with the slice."""

    def events(self, event: str, schema: pa.Schema) -> EventTable:
        table = super().events(event, schema)
        return _UncheckedTable(table.log, table.storage, table.writer, table.rejections)


class _UncheckedTable(EventTable):
    def _position_in(self, table: LogState, app_id: str) -> int | None:
        """See no position where one is compared: a source without one may start anywhere."""
        return None

    def _marks_agree(self, table: LogState, span: Span) -> bool:
        return True


def die_if(now: bool) -> None:
    """Kill this process: no cleaning up, no last words."""
    if now:
        os.kill(os.getpid(), signal.SIGKILL)
