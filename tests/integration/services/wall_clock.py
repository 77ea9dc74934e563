"""A wall clock that a test sets while processes run, as a machine's is set by its operator.

A small library stands before libc's clock in every process that inherits `environment`; the clock
of the disk and the monotonic one stay what they are. It is compiled for each use, in a moment.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def missing() -> str | None:
    """Say what is missing to set a clock here, or None."""
    return None if shutil.which("cc") else "needs a C compiler"


class WallClock:
    """The clock of all processes that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        library, self._offset = folder / "wall_clock.so", folder / "wall_clock"
        self._offset.write_bytes(bytes(8))
        words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(words, check=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._offset)}

    def set(self, seconds: int) -> None:
        """Set the clock so many seconds ahead of the machine's, or behind it."""
        with self._offset.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
