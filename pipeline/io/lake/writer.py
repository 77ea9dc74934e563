"""Who writes into a lake: one name per process, and whether something may be left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import WriterLock, live_writers, new_writer_name

if TYPE_CHECKING:
    from pipeline.io.lake.staging import MachineClock


class Writer:
    """This process's name in file names; shown to others as alive by a lock, if it can be.

    The lock is taken at the first write, so reading a lake leaves no trace. A forked process gets
    a name of its own.
    """

    def __init__(self, lake: str, folder: Path | None, clock: MachineClock) -> None:
        self.clock = clock
        self._lake, self._folder = lake, folder
        self._lock: WriterLock | None = None
        self._name, self._process = new_writer_name(), os.getpid()
        self.leftovers = False
        """Whether uncommitted files may be left that only the log can judge."""
        self.begun: set[str] = set()
        """Tables whose logs are known to exist."""

    @property
    def name(self) -> str:
        """The name; the first use takes the lock. Raises EnvironmentProblem if it cannot."""
        if self._process != os.getpid():
            self._name, self._process, self._lock = new_writer_name(), os.getpid(), None
        if self._folder is None:
            return self._name
        if self._lock is None:
            with state_faults("A writer's lock could not be taken", str(self._folder)):
                self._lock = WriterLock(self._folder, self._lake)
        return self._lock.writer

    def others_alive(self) -> frozenset[str]:
        """Name the writers of the same lake whose processes are alive, as far as can be known."""
        return frozenset() if self._folder is None else live_writers(self._folder, self._lake)

    def close(self) -> None:
        """Tell others that this writer is gone."""
        if self._lock is not None:
            self._lock.close(leftovers=self.leftovers)
            self._lock = None
